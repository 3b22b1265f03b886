import Glibc
import Testing

@testable import Systemd

@Suite struct BusErrorTests {
    /// What says that the bus or systemd could not be asked, and what is an answer.
    @Test(
        arguments: [
            (nil, ENOENT, true), (nil, ECONNREFUSED, true), (nil, ETIMEDOUT, true), (nil, ECONNRESET, true),
            ("org.freedesktop.DBus.Error.NoReply", ETIMEDOUT, true), ("org.freedesktop.DBus.Error.Timeout", ETIMEDOUT, true),
            ("org.freedesktop.DBus.Error.Disconnected", ECONNRESET, true), ("org.freedesktop.DBus.Error.ServiceUnknown", EHOSTUNREACH, true),
            ("System.Error.ECONNRESET", ECONNRESET, true),
            (nil, EIO, false), (nil, EINVAL, false), (BusError.noSuchUnit, ENOENT, false), ("org.freedesktop.systemd1.UnitExists", EEXIST, false),
            ("org.freedesktop.DBus.Error.InvalidArgs", EINVAL, false), ("org.freedesktop.DBus.Error.AccessDenied", EACCES, false),
            ("System.Error.ENOEXEC", ENOEXEC, false),
        ] as [(String?, Int32, Bool)])
    func outagesAndAnswers(name: String?, code: Int32, isOutage: Bool) {
        let error = BusError("starting x", code: -code, name: name)
        #expect(error.isOutage == isOutage && error.code == code)
        #expect(error.message == "starting x: \(String(cString: strerror(code)))")
    }

    @Test func aBusThatIsNotThereIsAnOutage() async {
        let manager = UnitManager(address: "unix:path=/nonexistent/bus")
        let error = await #expect(throws: BusError.self) { try await manager.kill("x.service", who: "all", signal: SIGKILL) }
        #expect(error?.isOutage == true)
    }
}
