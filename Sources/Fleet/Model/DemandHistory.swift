/// When a pool's jobs came, and how many at once: what `Warm.auto` learns from.
public struct DemandHistory: Sendable, Equatable {
    /// A stretch of time in which jobs came.
    struct Slot: Sendable, Equatable {
        /// The first of its jobs.
        var at: Timestamp
        /// The most jobs that came within `burst` of each other, from one of its jobs on.
        var most: Int
    }

    /// How far a look back goes.
    public static let memory = Duration.seconds(28 * 86_400)
    /// The length of a slot in seconds. The offsets of all time zones that are in use are multiples of it.
    static let step: Int64 = 300
    /// Jobs that come closer together than this need a runner each: a new one is there later.
    static let burst = Duration.seconds(60)

    /// In the order of time.
    private(set) var slots: [Slot] = []
    /// When the first job came; nil without any.
    var since: Timestamp? { slots.first?.at }

    /// - Parameter arrivals: when jobs came, in any order.
    public init(_ arrivals: [Timestamp]) {
        let times = arrivals.sorted()
        var end = 0
        for (index, time) in times.enumerated() {
            while end < times.count, times[end] - time < Self.burst { end += 1 }
            let number = time.milliseconds / (Self.step * 1000)
            if let last = slots.last, last.at.milliseconds / (Self.step * 1000) == number {
                slots[slots.count - 1].most = max(last.most, end - index)
            } else {
                slots.append(Slot(at: time, most: end - index))
            }
        }
    }
}
