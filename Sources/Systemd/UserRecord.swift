import Glibc

/// An entry of the user database (passwd(5)).
public struct UserRecord: Sendable, Equatable {
    /// The login name.
    public var name: String
    /// The number.
    public var uid: UInt32

    /// A record as a test gives it.
    public init(name: String, uid: UInt32) {
        self.name = name
        self.uid = uid
    }

    /// Looks a user up as `User=` of a unit names one: by name, or by number. Blocks for as long as a directory service takes.
    /// - Returns: nil when there is no such user
    public static func find(_ nameOrUID: String) -> UserRecord? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        // Entries of directory services can be long: a larger buffer is tried while the C library asks for one.
        for size in [4096, 65_536, 1_048_576] {
            var buffer = [CChar](repeating: 0, count: size)
            let result =
                UInt32(nameOrUID).map { getpwuid_r($0, &entry, &buffer, size, &found) } ?? getpwnam_r(nameOrUID, &entry, &buffer, size, &found)
            if result == ERANGE { continue }
            // What the entry points to is in the buffer.
            return found.map { UserRecord(name: String(cString: $0.pointee.pw_name), uid: $0.pointee.pw_uid) }
        }
        return nil
    }
}
