import Fleet
import Glibc
import Notify
import Settings
import Synchronization
import Testing

@testable import autogitd

@Suite struct HostSwitchTests {
    private final class Commands: CommandRunner {
        let outcome: DeliveryOutcome
        let seen = Mutex<[(command: [String], environment: [String: String], timeout: Duration)]>([])
        init(_ outcome: DeliveryOutcome = .delivered) { self.outcome = outcome }
        func run(_ command: [String], input: [UInt8], environment: [String: String], timeout: Duration, id: String) async -> DeliveryOutcome {
            seen.withLock { $0.append((command, environment, timeout)) }
            return outcome
        }
    }

    private func makeSwitch(_ commands: Commands, sleep: [String]? = ["/bin/off", "now"], called: @escaping @Sendable () -> Void = {}) -> HostSwitch {
        HostSwitch(
            host: HostID("far"), settings: PowerSettings(wake: .command(["/bin/on"]), sleep: sleep, timeout: .seconds(7)), commands: commands, called: called)
    }

    @Test func commandsAreToldTheHostAndHaveATimeOut() async throws {
        let commands = Commands()
        let calls = Mutex(0)
        let far = makeSwitch(commands) { calls.withLock { $0 += 1 } }
        try await far.wake()
        #expect(calls.withLock { $0 } == 1)
        try await far.sleep()
        let seen = commands.seen.withLock { $0 }
        #expect(seen.map(\.command) == [["/bin/on"], ["/bin/off", "now"]] && calls.withLock { $0 } == 1)
        #expect(seen.allSatisfy { $0.environment == ["AUTOGIT_HOST": "far"] && $0.timeout == .seconds(7) })
    }

    @Test(arguments: [(DeliveryOutcome.refused("it ended with 1"), false), (.failed("it ended with 75 and wants to be run again"), true)])
    func whatACommandEndedWithIsTrouble(outcome: DeliveryOutcome, isOutage: Bool) async {
        let far = makeSwitch(Commands(outcome)) { Issue.record("it was not called") }
        await #expect { try await far.wake() } throws: { ($0 as? Trouble)?.isOutage == isOutage }
        await #expect { try await far.sleep() } throws: { ($0 as? Trouble)?.isOutage == isOutage }
    }

    // MARK: Wake-on-LAN

    @Test func aPacketIsOnesAndSixteenTimesTheAddress() throws {
        let address = try #require(MACAddress("00:11:22:33:44:5f"))
        let packet = WakeOnLAN.packet(for: address)
        #expect(packet.count == 102 && packet.prefix(6) == [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
        for time in 0..<16 { #expect(Array(packet[(6 + time * 6)..<(12 + time * 6)]) == [0, 0x11, 0x22, 0x33, 0x44, 0x5F]) }
    }

    /// To each of several, although one is refused.
    @Test func packetsArriveByUDP() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var own = sockaddr_in()
        own.sin_family = sa_family_t(AF_INET)
        own.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &own) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0 }
        }
        try #require(isBound)
        var unreachable = own
        // No kernel sends to this port.
        unreachable.sin_port = 0
        try WakeOnLAN.send([1, 2, 3], to: [unreachable, own])
        var bytes = [UInt8](repeating: 0, count: 10)
        #expect(recv(descriptor, &bytes, 10, 0) == 3 && bytes.prefix(3) == [1, 2, 3])
        #expect { try WakeOnLAN.send([1], to: [unreachable]) } throws: { ($0 as? Trouble)?.isOutage == true }
        #expect { try WakeOnLAN.send([1], to: []) } throws: { "\($0)".contains("no network that takes broadcasts") }
    }

    @Test func broadcastsGoToTheDiscardPort() {
        // A machine without a network has none.
        for address in WakeOnLAN.broadcasts() { #expect(address.sin_port == UInt16(9).bigEndian && address.sin_addr.s_addr != 0) }
    }
}
