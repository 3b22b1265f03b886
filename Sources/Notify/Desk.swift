import Fleet

/// Decides what one target is told, and when. A value: what is wrong and the time come in, notifications come out.
///
/// A trouble is told once when it has lasted for the target's settle time, and once more when it has been over for as long; one that comes and goes
/// within it is not told at all, nor is a pause in it that is shorter. Once the target has got as many as its rate allows, further ones are left
/// out, and a summary names them when there is room again.
public struct Desk: Sendable, Codable {
    private struct Entry: Sendable, Codable {
        var concern: Concern
        var seen: Timestamp
        /// Since when it is gone; nil while it lasts.
        var gone: Timestamp?
        var isTold = false

        var since: Timestamp { concern.since ?? seen }
    }

    /// What there was no room for.
    private struct LeftOut: Sendable, Codable {
        var count = 0
        /// The first of them.
        var titles: [String] = []
        var since: Timestamp?
    }

    /// The most titles in a summary.
    static let mostTitles = 10
    /// How long after a start of the daemon no end is told of what an earlier life told: it may only not have been seen again yet.
    static let grace = Duration.seconds(60)

    private var entries: [String: Entry] = [:]
    /// When the last ones were let through, the oldest first.
    private var sent: [Timestamp] = []
    private var leftOut = LeftOut()
    private var noEndBefore: Timestamp?

    /// Nothing is wrong, and nothing was told.
    public init() {}

    /// Another life of the daemon begins with what the last one had told.
    public mutating func resume(at now: Timestamp) {
        noEndBefore = now + Self.grace
        // What nobody was told of begins anew. A clock that was set back must not hold anything up.
        entries = entries.filter(\.value.isTold).mapValues { entry in
            var entry = entry
            entry.gone = nil
            entry.seen = min(entry.seen, now)
            return entry
        }
        sent.removeAll { $0 > now }
    }

    /// Takes what is wrong now, all of it, and returns what is to be told.
    /// - Parameters:
    ///   - unsure: kinds of which others may last that are not among them, and don't end for that.
    ///   - rules: the target's, as they are now.
    public mutating func take(_ concerns: [Concern], unsure: Set<ConcernKind> = [], for rules: NotifyTarget, at now: Timestamp) -> [Notification] {
        var told: [Notification] = []
        summarize(within: rules.rate, at: now, into: &told)
        entries = entries.filter { rules.wants($0.value.concern.kind) }
        let wanted = concerns.filter { rules.wants($0.kind) }
        for concern in wanted {
            var entry = entries[concern.key] ?? Entry(concern: concern, seen: now)
            // Those that are told end as they began: of several jobs it may be another one by then.
            if !entry.isTold { entry.concern = concern }
            entry.gone = nil
            if !entry.isTold, due(entry, rules) <= now {
                entry.isTold = true
                admit(Notification(begun: concern, since: entry.since, at: now), within: rules.rate, into: &told)
            }
            entries[concern.key] = entry
        }
        let present = Set(wanted.map(\.key))
        for (key, entry) in entries.sorted(by: { $0.key < $1.key }) where !present.contains(key) {
            guard entry.isTold else {
                entries[key] = nil
                continue
            }
            if unsure.contains(entry.concern.kind) {
                entries[key]?.gone = nil
                continue
            }
            let gone = entry.gone ?? now
            entries[key]?.gone = gone
            guard end(of: gone, rules) <= now else { continue }
            entries[key] = nil
            if rules.wantsEnds { admit(Notification(ended: entry.concern, since: entry.since, gone: gone, at: now), within: rules.rate, into: &told) }
        }
        return told
    }

    /// When there is next something to tell if nothing changes; nil when there is nothing. It may have passed.
    public func wakeAt(for rules: NotifyTarget) -> Timestamp? {
        var times = entries.values.compactMap { entry in entry.gone.map { end(of: $0, rules) } ?? (entry.isTold ? nil : due(entry, rules)) }
        if leftOut.count > 0, let first = sent.suffix(rules.rate.count).first { times.append(first + rules.rate.span) }
        return times.min()
    }

    private func due(_ entry: Entry, _ rules: NotifyTarget) -> Timestamp {
        entry.concern.kind == .waiting ? entry.since + rules.waitingAfter : entry.seen + rules.settle
    }

    private func end(of gone: Timestamp, _ rules: NotifyTarget) -> Timestamp { max(gone + rules.settle, noEndBefore ?? gone) }

    // MARK: The rate

    private mutating func hasRoom(within rate: NotifyTarget.Rate, at now: Timestamp) -> Bool {
        sent.removeAll { now - $0 >= rate.span }
        return sent.count < rate.count
    }

    private mutating func admit(_ notification: Notification, within rate: NotifyTarget.Rate, into told: inout [Notification]) {
        guard hasRoom(within: rate, at: notification.at) else {
            leftOut.count += 1
            if leftOut.titles.count < Self.mostTitles { leftOut.titles.append(notification.title) }
            leftOut.since = leftOut.since ?? notification.at
            return
        }
        sent.append(notification.at)
        told.append(notification)
    }

    private mutating func summarize(within rate: NotifyTarget.Rate, at now: Timestamp, into told: inout [Notification]) {
        guard leftOut.count > 0, hasRoom(within: rate, at: now) else { return }
        let more = leftOut.count - leftOut.titles.count
        var summary = Notification(
            "summary", .note, leftOut.count == 1 ? "1 notification was left out" : "\(leftOut.count) notifications were left out",
            "There were more than \(rate.description): \(leftOut.titles.joined(separator: "; "))\(more > 0 ? "; and \(more) more" : "")", at: now)
        summary.since = leftOut.since
        leftOut = LeftOut()
        admit(summary, within: rate, into: &told)
    }
}
