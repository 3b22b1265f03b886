import ControlModel
import Fleet

/// Logs of runners that live, and of those that are gone.
extension Coordinator {
    /// The output of a runner that runs, see `RunnerDriver.log`; once it has ended, the end of its output as it was kept, which has no
    /// secrets in it and is not followed.
    /// - Throws: `Refusal` when there is neither, with the reason; the driver's error, or the store's.
    public func log(of id: RunnerID, lines: Int, follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let id = bare(id)
        if let runner = state.runners[id], runner.phase < .ended { return try await live(runner, lines, follow) }
        if let kept = try await store.keptLog(of: id) {
            return AsyncThrowingStream { out in
                out.yield(kept.tail(lines: lines))
                out.finish()
            }
        }
        // Not read yet, or not to be kept: what there is of it is where it was.
        if let runner = state.runners[id], state.hasContainer(runner) { return try await live(runner, lines, false) }
        throw Refusal(kind: .notFound, message: try await store.runner(id).map(Self.whyNoLog) ?? "there is no runner \(id)")
    }

    private func live(_ runner: Runner, _ lines: Int, _ follow: Bool) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await hands.driver(runner.place).log(runner.id, lines: lines, follow: follow)
    }

    private static func whyNoLog(_ runner: Runner) -> String {
        let days = Int(Beat.retention.inSeconds) / 86_400
        let rule = "only logs of runners that failed to start or died are kept, the last \(KeptLog.mostLogs) of them, and for \(days) days"
        return runner.failed
            ? "there is no log of \(runner.name): it wrote none, or it is not kept any more: \(rule)"
            : "there is no log of \(runner.name): it did not fail, and \(rule)"
    }

    /// The kept logs, the newest first.
    /// - Throws: when the store can't be read.
    public func keptLogViews() async throws -> [KeptLogView] {
        let times = shown.shownTimes
        return try await store.keptLogs(of: nil).map {
            KeptLogView(runner: $0.runner, name: Runner.name(of: $0.runner), at: times.text($0.at), bytes: $0.bytes, pool: $0.pool, reason: $0.reason)
        }
    }
}
