import CoreMetrics
import Synchronization

/// Where counters and histograms are kept: a backend of swift-metrics for one daemon. What was not declared is not kept, so that a library's
/// own metrics, whose labels may have no bound, don't grow it.
///
/// Series are never removed: a counter that vanished would be a reset to Prometheus.
public final class MetricsRegistry: MetricsFactory {
    /// A family that may be filled.
    public struct Declaration: Sendable {
        var name: String
        var help: String
        /// nil for a counter.
        var buckets: [Double]?

        /// - Parameter name: without `_total`.
        public static func counter(_ name: String, _ help: String) -> Self { Self(name: name, help: help, buckets: nil) }
        /// - Parameter buckets: their upper bounds, ascending.
        public static func histogram(_ name: String, _ help: String, _ buckets: [Double]) -> Self { Self(name: name, help: help, buckets: buckets) }
    }

    private let declarations: [String: Declaration]
    private let order: [String]
    private let cells = Mutex<[Key: Cell]>([:])

    private struct Key: Hashable {
        var name: String
        var labels: [MetricFamily.Label]
    }

    /// - Parameter declarations: each name once, in the order in which they are shown.
    public init(_ declarations: [Declaration]) {
        self.declarations = Dictionary(declarations.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        order = declarations.map(\.name)
    }

    /// The families as they are now; within each, series are in the order of their labels.
    public func families() -> [MetricFamily] {
        let cells = cells.withLock { $0 }
        let series = Dictionary(grouping: cells, by: \.key.name)
        return order.compactMap { name in
            guard let declaration = declarations[name] else { return nil }
            let sorted = (series[name] ?? []).sorted { $0.key.labels.lexicographicallyPrecedes($1.key.labels) { ($0.name, $0.value) < ($1.name, $1.value) } }
            return MetricFamily(
                name, declaration.buckets == nil ? .counter : .histogram, declaration.help, sorted.map { .init($0.value.value, $0.key.labels) })
        }
    }

    /// - Returns: nil when that is not a family of that kind.
    private func cell(_ name: String, _ dimensions: [(String, String)], isHistogram: Bool) -> Cell? {
        guard let declaration = declarations[name], (declaration.buckets != nil) == isHistogram else { return nil }
        let key = Key(name: name, labels: dimensions.map { MetricFamily.Label($0.0, $0.1) })
        return cells.withLock { cells in
            if let known = cells[key] { return known }
            let new = Cell(declaration.buckets)
            cells[key] = new
            return new
        }
    }

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        cell(label, dimensions, isHistogram: false) ?? NOOPMetricsHandler.instance
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        cell(label, dimensions, isHistogram: true) ?? NOOPMetricsHandler.instance
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        cell(label, dimensions, isHistogram: true) ?? NOOPMetricsHandler.instance
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { NOOPMetricsHandler.instance }

    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
}

/// One series.
private final class Cell: CounterHandler, RecorderHandler, TimerHandler {
    private let state: Mutex<MetricFamily.Value>

    init(_ buckets: [Double]?) { state = Mutex(buckets.map { .distribution(Distribution(bounds: $0)) } ?? .number(0)) }

    var value: MetricFamily.Value { state.withLock { $0 } }

    func increment(by amount: Int64) {
        state.withLock { if case .number(let value) = $0 { $0 = .number(value + Double(amount)) } }
    }

    /// A counter is one since the start of the daemon.
    func reset() {}

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        state.withLock { state in
            guard case .distribution(var distribution) = state else { return }
            // The array in it is not to be copied.
            state = .number(0)
            distribution.observe(value)
            state = .distribution(distribution)
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
