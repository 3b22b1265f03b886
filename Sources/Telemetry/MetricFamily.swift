/// All series of one name, as they are exposed.
public struct MetricFamily: Sendable, Equatable {
    /// What the values mean, in the words of both text formats.
    public enum Kind: String, Sendable { case counter, gauge, histogram, info }

    /// Without the suffixes that belong to the kind: `_total` of a counter, `_info` of an info.
    public var name: String
    /// One sentence.
    public var help: String
    public var kind: Kind
    public var series: [Series]

    /// One combination of labels, with its value.
    public struct Series: Sendable, Equatable {
        /// In the order in which they are shown, each name once.
        public var labels: [Label]
        public var value: Value
        public init(_ value: Value, _ labels: [Label] = []) {
            self.labels = labels
            self.value = value
        }
        /// A gauge's or a counter's.
        public init(_ number: Double, _ labels: [Label] = []) { self.init(.number(number), labels) }
    }

    /// A label and its value, which may be any text.
    public struct Label: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public enum Value: Sendable, Equatable {
        case number(Double)
        case distribution(Distribution)
    }

    public init(_ name: String, _ kind: Kind, _ help: String, _ series: [Series] = []) {
        self.name = name
        self.kind = kind
        self.help = help
        self.series = series
    }

    /// A gauge with a series for each element.
    static func gauge<Elements: Sequence>(_ name: String, _ help: String, _ elements: Elements, _ series: (Elements.Element) -> Series) -> Self {
        MetricFamily(name, .gauge, help, elements.map(series))
    }
}

/// How often values fell below each of some bounds.
public struct Distribution: Sendable, Equatable {
    /// The buckets' upper bounds, inclusive and ascending, without infinity.
    public let bounds: [Double]
    /// How many values each bucket has alone, with those above all bounds in the last.
    public private(set) var counts: [UInt64]
    /// Of all values.
    public private(set) var sum = 0.0

    /// Nothing was observed.
    public init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// How many values there are.
    public var count: UInt64 { counts.reduce(0, +) }

    /// Takes a value in. One that is no number changes nothing.
    public mutating func observe(_ value: Double) {
        guard value.isFinite else { return }
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }
}
