import Fleet
import FoundationEssentials
import Glibc

/// Reads what the kernel has said since the boot, or as much of it as it still has.
enum KernelLog {
    static let path = "/dev/kmsg"
    /// A record is shorter (include/linux/printk.h, CONSOLE_EXT_LOG_MAX).
    private static let longestRecord = 8192
    /// More than the largest buffer holds that distributions set.
    private static let mostRecords = 500_000
    /// The newest faults of a boot; a driver in trouble writes thousands.
    static let mostFaults = 64

    /// The faults of GPUs, oldest first. Never waits.
    /// - Parameter booted: when the kernel began to count, in milliseconds since 1970.
    static func faults(in tree: HostTree, booted: Int64, remarks: inout [String]) -> [GPUFault] {
        let descriptor = open(tree.root + path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno != ENOENT { remarks.append("\(path) can't be read, so failures of GPUs aren't seen: \(HostTree.words(errno)).") }
            return []
        }
        defer { close(descriptor) }
        var status = stat()
        // Containers have something else there, which could go on for ever. A test's tree has a file.
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG ? !tree.root.isEmpty : isKernelLog(status) else {
            remarks.append("\(path) isn't the kernel's log, so failures of GPUs aren't seen.")
            return []
        }
        var newest: [GPUFault] = []
        for _ in 0..<mostRecords {
            guard let bytes = HostTree.piece(of: descriptor, atMost: status.st_mode & S_IFMT == S_IFREG ? 1 << 20 : longestRecord) else {
                // The kernel has overwritten the record; the next read is the oldest that is left.
                if errno == EPIPE { continue }
                break
            }
            if bytes.isEmpty { break }
            newest += faults(in: String(decoding: bytes, as: UTF8.self), booted: booted)
            newest.removeFirst(max(0, newest.count - mostFaults))
        }
        return newest
    }

    private static func isKernelLog(_ status: stat) -> Bool {
        // Documentation/admin-guide/devices.txt: 1 char, 11 = /dev/kmsg
        status.st_mode & S_IFMT == S_IFCHR && status.st_rdev == 1 << 8 | 11
    }

    static func faults(in text: String, booted: Int64) -> [GPUFault] {
        KernelMessage.all(text).compactMap { message in
            guard let (vendor, kind) = message.fault else { return nil }
            let since = Int64(clamping: message.microseconds / 1000)
            let time = since.addingReportingOverflow(booted)
            return GPUFault(
                sequence: message.sequence, time: time.overflow ? .max : time.partialValue, vendor: vendor, pci: message.pci, kind: kind,
                message: String(message.text.prefix(300)))
        }
    }

    /// When this machine's kernel began to count, in milliseconds since 1970, without the time for which it was suspended.
    static func bootTime(now: Timestamp) -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return now.milliseconds - Int64(time.tv_sec) * 1000 - Int64(time.tv_nsec) / 1_000_000
    }
}
