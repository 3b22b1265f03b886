import Fleet
import Glibc
import Notify
import Settings

/// Wakes a host and sends it to sleep, as the configuration says.
struct HostSwitch: PowerSwitch {
    let host: HostID
    let settings: PowerSettings
    let commands: any CommandRunner
    /// Told of each call that was made: whoever waits before the next try to reach the host need not wait for long.
    var called: @Sendable () -> Void = {}

    func wake() async throws {
        switch settings.wake {
        case .lan(let address): try WakeOnLAN.call(address)
        case .command(let command): try await run(command, "wake")
        }
        called()
    }

    func sleep() async throws {
        guard let command = settings.sleep else { throw Trouble("no command is configured") }
        try await run(command, "sleep")
    }

    private func run(_ command: [String], _ verb: String) async throws {
        // A unit of the same name may still be ending.
        let id = "\(host)-\(verb)-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        switch await commands.run(command, input: [], environment: ["AUTOGIT_HOST": host.name], timeout: settings.timeout, id: id) {
        case .delivered: break
        case .refused(let why): throw Trouble(why)
        case .failed(let why, _): throw Trouble(why, isOutage: true)
        }
    }
}

/// A packet that network cards wake their machines at: six bytes of ones, and sixteen times their own address.
enum WakeOnLAN {
    /// Discard, which is nobody's. Cards don't look at ports.
    static let port: UInt16 = 9

    static func packet(for address: MACAddress) -> [UInt8] {
        Array(repeating: 0xFF, count: 6) + (0..<16).flatMap { _ in address.bytes }
    }

    /// On every network of this machine: which of them the other one is on nobody knows.
    /// - Throws: `Trouble` when it could be sent on none.
    static func call(_ address: MACAddress) throws { try send(packet(for: address), to: broadcasts()) }

    /// - Parameter targets: addresses and ports, in the byte order of the network.
    static func send(_ packet: [UInt8], to targets: [sockaddr_in]) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw Trouble("no socket: \(String(cString: strerror(errno)))", isOutage: true) }
        defer { close(descriptor) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_BROADCAST, &yes, socklen_t(MemoryLayout<Int32>.size))
        var why = "this machine has no network that takes broadcasts"
        var wasSent = false
        for var target in targets {
            let sent = withUnsafePointer(to: &target) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, packet, packet.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if sent == packet.count { wasSent = true } else { why = String(cString: strerror(errno)) }
        }
        if !wasSent { throw Trouble("the packet could not be sent: \(why)", isOutage: true) }
    }

    /// The broadcast addresses of the interfaces that are up.
    static func broadcasts() -> [sockaddr_in] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var found: [sockaddr_in] = []
        for entry in sequence(first: first, next: { $0?.pointee.ifa_next }) {
            guard let entry = entry?.pointee, let own = entry.ifa_addr, Int32(own.pointee.sa_family) == AF_INET else { continue }
            let wanted = UInt32(IFF_UP) | UInt32(IFF_BROADCAST)
            guard entry.ifa_flags & wanted == wanted, let broadcast = entry.ifa_ifu.ifu_broadaddr else { continue }
            var address = broadcast.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee }
            address.sin_port = port.bigEndian
            found.append(address)
        }
        return found
    }
}
