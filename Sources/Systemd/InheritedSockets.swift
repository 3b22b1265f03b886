import CSystemd
import Glibc

/// The listening sockets that systemd passed, by the name from `FileDescriptorName=` (sd_listen_fds_with_names(3)).
public enum InheritedSockets {
    /// Takes the sockets and clears the environment of them, so that a second call and child processes get none.
    /// - Returns: descriptors of listening stream sockets; others, such as datagram sockets, are left out.
    public static func take() -> [String: Int32] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = sd_listen_fds_with_names(1, &names)
        guard count > 0, let names else { return [:] }
        defer {
            for index in 0..<Int(count) { free(names[index]) }
            free(names)
        }
        var sockets: [String: Int32] = [:]
        for index in 0..<count {
            let descriptor = SD_LISTEN_FDS_START + index
            guard let name = names[Int(index)], sd_is_socket(descriptor, AF_UNSPEC, Int32(SOCK_STREAM.rawValue), 1) > 0 else { continue }
            sockets[String(cString: name)] = descriptor
        }
        return sockets
    }
}
