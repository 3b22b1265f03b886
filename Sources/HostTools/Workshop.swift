import FoundationEssentials
import Glibc

/// A machine that can be changed.
public protocol Workshop: Machine {
    /// Puts a file in its place as a whole: a reader sees the old one or the new one. Folders on the way are made for all to read.
    /// - Parameters:
    ///   - mode: its permissions; the file has them before it has its content.
    ///   - owner: the user and group, who is root otherwise.
    /// - Throws: `WorkshopError`
    func write(_ path: String, _ content: String, mode: UInt32, owner: UInt32?) throws(WorkshopError)
    /// Removes a file; one that isn't there is no error.
    /// - Throws: `WorkshopError`
    func remove(_ path: String) throws(WorkshopError)
}

/// The machine could not be changed.
public struct WorkshopError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What, and why.
    public var description: String
    public init(_ description: String) { self.description = description }
}

extension ThisMachine: Workshop {
    public func write(_ path: String, _ content: String, mode: UInt32, owner: UInt32?) throws(WorkshopError) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755]) } catch {
            throw WorkshopError("\(folder) cannot be created: \(Self.words)")
        }
        let draft = "\(path).\(getpid())"
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw WorkshopError("\(path) cannot be written: \(Self.words)") }
        defer { close(descriptor) }
        var bytes = Array(content.utf8)[...]
        var isWhole = fchmod(descriptor, mode) == 0 && (owner.map { fchown(descriptor, $0, $0) == 0 } ?? true)
        while isWhole, !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written > 0 { bytes = bytes.dropFirst(written) } else { isWhole = false }
        }
        guard isWhole, fsync(descriptor) == 0, rename(draft, path) == 0 else {
            let words = Self.words
            unlink(draft)
            throw WorkshopError("\(path) cannot be written: \(words)")
        }
    }

    public func remove(_ path: String) throws(WorkshopError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw WorkshopError("\(path) cannot be removed: \(Self.words)") }
    }

    private static var words: String { String(cString: strerror(errno)) }
}
