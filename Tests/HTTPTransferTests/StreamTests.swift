import Foundation
import TestBench
import Testing

@testable import HTTPTransfer

/// Bodies that come piece by piece, or without end.
@Suite(.timeLimit(.minutes(10))) struct StreamTests {
    private let scratch: ScratchFolder
    private let client = HTTPClient()

    init() throws { scratch = try ScratchFolder("stream") }

    private func server(_ handler: @escaping BareServer.Handler) throws -> BareServer {
        try BareServer(path: "\(scratch.path)/s", handler: handler)
    }

    private var request: HTTPRequest { HTTPRequest("GET", "http://h/", unixSocket: "\(scratch.path)/s", timeout: nil) }

    @Test func theHeadComesBeforeTheBodyAndEachPieceAsItIsSent() async throws {
        let asked = Happenings<Int>()
        let server = try server { _, connection in
            connection.head(200)
            // Sends each piece when the one before was read, so that waiting for the whole would hang.
            for piece in 0..<3 {
                let read = DispatchSemaphore(value: 0)
                Task {
                    _ = await asked.wait(for: piece)
                    read.signal()
                }
                read.wait()
                connection.send(Array("\(piece)".utf8))
            }
            connection.end()
        }
        defer { server.stop() }
        let (head, chunks) = try await client.stream(request)
        #expect(head.status == 200 && head.body.isEmpty)
        asked.note(0)
        var read: [String] = []
        for try await chunk in chunks {
            read.append(String(decoding: chunk, as: UTF8.self))
            asked.note(read.count)
        }
        #expect(read == ["0", "1", "2"])
    }

    /// 2 MiB through a pipe of 64 KiB: nothing is lost, doubled or out of order, however often the transfer pauses.
    @Test func aLongBodyArrivesWholeAndInOrder() async throws {
        let count = 512 << 10
        let server = try server { _, connection in
            let body = (0..<UInt32(count)).flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
            connection.head(200)
            connection.send(body)
            connection.end()
        }
        defer { server.stop() }
        let (_, chunks) = try await client.stream(request)
        var position = 0
        var wrong = 0
        for try await chunk in chunks {
            #expect(chunk.count <= BodyPipe.bound)
            for byte in chunk {
                if byte != UInt8(truncatingIfNeeded: UInt32(position / 4) >> (8 * (position % 4))) { wrong += 1 }
                position += 1
            }
        }
        #expect(position == count * 4 && wrong == 0)
    }

    /// The other side can't send more than the sockets and the pipe hold, and goes on when somebody reads.
    @Test func aReaderThatDoesNotReadHoldsTheOtherSideUp() async throws {
        let seen = Happenings<String>()
        let bound = 8 << 20
        let server = try server { _, connection in
            connection.head(200)
            let piece = [UInt8](repeating: 7, count: 64 << 10)
            var sent = 0
            while sent < bound {
                guard let count = connection.send(piece, patience: .milliseconds(500)) else { return seen.note("left") }
                sent += count
                if count < piece.count { break }
            }
            seen.note(sent < bound ? "stalled" : "swallowed")
            seen.note(connection.send(piece) ? "went on" : "left")
            connection.waitForEnd()
            seen.note("ended")
        }
        defer { server.stop() }
        var (head, chunks): (HTTPResponse, AsyncThrowingStream<[UInt8], any Error>?) = try await client.stream(request)
        #expect(head.status == 200)
        #expect(await seen.wait { !$0.isEmpty })
        #expect(seen.all.first == "stalled")
        // Other transfers of the client go on meanwhile, and it takes one read to set this one going.
        let other = try BareServer(path: "\(scratch.path)/other") { _, connection in connection.answer(200, "fine") }
        defer { other.stop() }
        #expect(try await client.send(HTTPRequest("GET", "http://h/", unixSocket: other.path)).text == "fine")
        if let stream = chunks {
            var iterator = stream.makeAsyncIterator()
            while !seen.all.contains("went on"), let chunk = try await iterator.next() { #expect(chunk.allSatisfy { $0 == 7 }) }
        }
        head.status = 0
        chunks = nil
        #expect(await seen.wait(for: "ended"))
    }

    /// However the reader goes, the other side sees it.
    @Test(arguments: ["dropped unread", "dropped after a chunk", "cancelled", "cancelled before the head"])
    func aReaderThatLeavesEndsTheTransfer(how: String) async throws {
        let seen = Happenings<String>()
        let server = try server { _, connection in
            if how != "cancelled before the head" {
                connection.head(200)
                connection.send(Array("chunk".utf8))
            }
            seen.note("begun")
            connection.waitForEnd()
            seen.note("ended")
        }
        defer { server.stop() }
        switch how {
        case "dropped unread": _ = try await client.stream(request)
        case "dropped after a chunk":
            let (_, chunks) = try await client.stream(request)
            for try await chunk in chunks {
                #expect(chunk == Array("chunk".utf8))
                break
            }
        default:
            let task = Task {
                for try await _ in try await client.stream(request).chunks { seen.note("read") }
            }
            #expect(await seen.wait(for: how == "cancelled" ? "read" : "begun"))
            task.cancel()
            _ = try? await task.value
        }
        #expect(await seen.wait(for: "ended"))
    }
}
