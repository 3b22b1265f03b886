import Fleet
import HTTPTransfer
import SSHForward
import Testing

@testable import autogitd

@Suite struct HostLinksTests {
    /// As GNU's, busybox's and BSD's df write it with -P -k.
    @Test(arguments: [
        (
            "Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/sda1        102400000 51200000  46080000      53% /\n", 46_080_000,
            102_400_000
        ),
        ("Filesystem           1024-blocks    Used Available Capacity Mounted on\noverlay 1000 400 600 40% /var/lib/my containers\n", 600, 1000),
        ("Filesystem 1024-blocks Used Available Capacity Mounted on\n//nas/my share 2000 0 2000 0% /mnt\n", 2000, 2000),
    ])
    func aDisksRoomIsReadAsPOSIXHasIt(output: String, free: Int64, total: Int64) {
        #expect(HostLinks.space(Array(output.utf8)) == DiskSpace(free: free << 10, total: total << 10))
    }

    @Test(arguments: [
        "", "df: /x: No such file or directory\n", "Filesystem\n", "a\nb c d\n", "a\n1 2 3 50%\n", "h\n/dev/x -5 0 -5 0% /\n",
        "h\n/dev/x 9999999999999999999 0 1 0% /\n",
        "h\n/dev/x 9223372036854775807 0 9223372036854775807 0% /\n", "h\n% % % % % %\n",
    ])
    func whatIsNotThatIsNoDisk(output: String) { #expect(HostLinks.space(Array(output.utf8)) == nil) }

    /// The socket here is ssh's: whether it is there says nothing of the engine over there.
    @Test(
        arguments: [
            (true, "h has nobody at /s", .unreachable, "h has nobody at /s"),
            (true, "h has nobody at /s", .timeout, "the engine of desk, at /s there, does not answer (curl's words): is its service running?"),
            (true, nil, .unreachable, "the engine of desk, at /s there, does not answer (curl's words): is its service running?"),
            (false, nil, .unreachable, "desk can't be reached by ssh: it is off"),
        ] as [(Bool, String?, TransferError.Kind, String)])
    func whatKeepsTheEngineOfAHostFromAnsweringIsToldOfThatHost(isOpen: Bool, refusal: String?, kind: TransferError.Kind, words: String) {
        let now = Timestamp(milliseconds: 0)
        let state = isOpen ? SSHForwardState.open(remoteSocket: "/s", since: now) : .closed(reason: "it is off", until: now)
        #expect(HostLinks.obstacle(state, refusal: refusal, HostID("desk"), TransferError(kind: kind, message: "curl's words")) == words)
    }
}
