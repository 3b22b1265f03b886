import CSystemd
import Glibc
import Fleet

/// Messages from a service to the manager that started it (sd_notify(3)). Without a manager every call does nothing.
public struct ServiceManager: Sendable {
    /// Finds the manager by `$NOTIFY_SOCKET` at each call.
    public init() {}

    /// Whether there is a manager.
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

    /// Shutdown has begun; `TimeoutStopSec=` counts.
    public func stopping() { send("STOPPING=1") }

    /// Feeds the watchdog; see `watchdogInterval`.
    public func alive() { send("WATCHDOG=1") }

    /// Postpones the timeout of start-up or shutdown to `time` from now. Call it again before that ends.
    public func extendTimeout(_ time: Duration) { send("EXTEND_TIMEOUT_USEC=\(max(1, time.milliseconds) * 1000)") }

    /// The longest time between two calls of `alive()`, from `WatchdogSec=`; nil when no watchdog is set. The manager kills the service
    /// when it is exceeded.
    public var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        return sd_watchdog_enabled(0, &microseconds) > 0 ? .microseconds(Int64(clamping: microseconds)) : nil
    }

    private func send(_ text: String) { sd_notify(0, text) }
}
