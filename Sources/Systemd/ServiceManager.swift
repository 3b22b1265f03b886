import CSystemd
import Glibc
import Fleet

/// What a service tells the manager that started it (sd_notify(3)). Every call is nothing at all when no manager
/// listens.
public struct ServiceManager: Sendable {
    /// The manager at `$NOTIFY_SOCKET`, or nobody (sd_notify(3)).
    public init() {}

    /// Whether a manager listens at all.
    public var isListening: Bool { getenv("NOTIFY_SOCKET") != nil }

    /// Start-up, or a reload, is over.
    public func ready() { send("READY=1") }

    /// The line that `systemctl status` shows. A line break would start another assignment.
    public func status(_ text: String) { send("STATUS=" + text.filter { !$0.isNewline }) }

    /// A reload begins; `ready()` ends it.
    public func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }

    /// The shutdown begins.
    public func stopping() { send("STOPPING=1") }

    /// Still alive; see `watchdogInterval`.
    public func alive() { send("WATCHDOG=1") }

    /// Start-up or shutdown may take until this long from now.
    public func extendTimeout(_ time: Duration) { send("EXTEND_TIMEOUT_USEC=\(max(1, time.milliseconds) * 1000)") }

    /// Within which `alive()` must be called again, from `WatchdogSec=`; nil when no watchdog is set.
    public var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        return sd_watchdog_enabled(0, &microseconds) > 0 ? .microseconds(Int64(clamping: microseconds)) : nil
    }

    private func send(_ text: String) { sd_notify(0, text) }
}
