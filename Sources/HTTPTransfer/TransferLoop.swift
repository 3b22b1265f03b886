import CCurl
import Synchronization
import Threads

/// The client's thread, and what it is told to do.
final class TransferLoop: @unchecked Sendable {
    private struct Inbox {
        var submitted: [Transfer] = []
        var cancelled: [UInt64] = []
        var resumed: [UInt64] = []
        var isRunning = false
        var isStopping = false
        var lastID: UInt64 = 0
    }
    private let inbox = Mutex(Inbox())
    /// Used by the loop's thread only, but for `curl_multi_wakeup`, which libcurl allows. It is called under the inbox's
    /// lock and before the loop was told to stop, because stopping frees the handle.
    private let multi = curl_multi_init()

    func nextID() -> UInt64 {
        inbox.withLock {
            $0.lastID += 1
            return $0.lastID
        }
    }

    /// Begins a transfer. One that can't begin fails here and now.
    func submit(_ transfer: Transfer) {
        let refusal = inbox.withLock { box -> TransferError? in
            if box.isStopping { return TransferError(kind: .cancelled, message: "the client is closed") }
            if !box.isRunning {
                // A system without a thread to spare may have one for the next request.
                do throws(ThreadError) { try startThread("http-client") { self.run() } } catch {
                    return TransferError(kind: .other, message: error.description)
                }
                box.isRunning = true
            }
            box.submitted.append(transfer)
            curl_multi_wakeup(multi)
            return nil
        }
        if let refusal { transfer.fail(refusal) }
    }

    /// Ends a transfer. One that is over is no error.
    func cancel(_ id: UInt64) { tell { $0.cancelled.append(id) } }

    /// Lets a paused transfer go on. One that is over is no error.
    func resume(_ id: UInt64) { tell { $0.resumed.append(id) } }

    private func tell(_ change: (inout Inbox) -> Void) {
        inbox.withLock { box in
            guard box.isRunning, !box.isStopping else { return }
            change(&box)
            curl_multi_wakeup(multi)
        }
    }

    /// Ends all transfers, and the thread.
    func stop() {
        let wasRunning = inbox.withLock { box in
            if box.isRunning { curl_multi_wakeup(multi) }
            box.isStopping = true
            return box.isRunning
        }
        if !wasRunning { curl_multi_cleanup(multi) }
    }

    private func run() {
        var active: [UInt64: Transfer] = [:]
        while true {
            let orders = inbox.withLock { box in
                defer {
                    box.submitted = []
                    box.cancelled = []
                    box.resumed = []
                }
                return box
            }
            for transfer in orders.submitted { begin(transfer, &active) }
            for id in orders.cancelled {
                guard let transfer = active.removeValue(forKey: id) else { continue }
                curl_multi_remove_handle(multi, transfer.handle)
                transfer.fail(TransferError(kind: .cancelled, message: "cancelled"))
            }
            // May deliver at once what was held back, and pause again.
            for id in orders.resumed { if let transfer = active[id] { curl_easy_pause(transfer.handle, CURLPAUSE_CONT) } }
            if orders.isStopping {
                for transfer in active.values {
                    curl_multi_remove_handle(multi, transfer.handle)
                    transfer.fail(TransferError(kind: .cancelled, message: "the client is closed"))
                }
                active = [:]
                curl_multi_cleanup(multi)
                return
            }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            reap(&active)
            // An hour: submissions, cancellations and sockets end the wait, and curl shortens it by its
            // own timers.
            curl_multi_poll(multi, nil, 0, 3_600_000, nil)
        }
    }

    private func begin(_ transfer: Transfer, _ active: inout [UInt64: Transfer]) {
        guard transfer.prepare(), let handle = transfer.handle else {
            transfer.fail(TransferError(kind: .other, message: "curl has no memory left"))
            return
        }
        active[transfer.id] = transfer
        curl_multi_add_handle(multi, handle)
    }

    private func reap(_ active: inout [UInt64: Transfer]) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            let result = autogit_curl_message_result(message)
            var context: UnsafeMutableRawPointer?
            autogit_curl_private(handle, &context)
            curl_multi_remove_handle(multi, handle)
            guard let context else { continue }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            active.removeValue(forKey: transfer.id)
            transfer.finish(result)
        }
    }
}
