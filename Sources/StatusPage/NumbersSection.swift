import ControlModel

/// The four numbers on top.
enum NumbersSection {
    static func html(_ content: PageContent, waiting: WaitingSection) -> HTML {
        let running = content.jobs.count { $0.status == "running" || $0.status == "canceling" }
        let places = content.pools.reduce(0) { $0 + $1.max_runners }
        let live = content.runners.count { $0.status != "offline" }
        let starting = content.runners.count { $0.status == "provisioning" }
        let idle = content.runners.count { $0.status == "idle" }
        let finished = content.history.hours.reduce(0) { $0 + $1.jobs }

        let oldest: HTML =
            waiting.oldest.map { "oldest <time datetime='\(Moments.text($0))' data-since>\(Moments.age(content.frame.now - $0))</time>" }
            ?? "the queue is empty"
        let used: HTML = places == 0 ? "no pools" : "\(live) of \(Amounts.count(places, "runner")) up"
        let coming: HTML = starting == 0 ? "none starting" : "\(starting) starting"
        let day: HTML = finished == 0 ? "no job in 24\u{A0}h" : "\(Amounts.count(finished, "job")) in 24\u{A0}h"
        return """
            <dl class='numbers'>\
            \(number("Jobs waiting", "\(waiting.count)", oldest, tone: waiting.needsAction ? " bad" : ""))\
            \(number("Jobs running", "\(running)", used))\
            \(number("Idle runners", "\(idle)", coming))\
            \(number("Median wait, last hour", content.history.median_wait_last_hour.map(Moments.duration) ?? "–", day))\
            </dl>
            """
    }

    private static func number(_ label: HTML, _ value: String, _ note: HTML, tone: HTML = "") -> HTML {
        "<div><dt>\(label)</dt><dd class='value\(tone)'>\(value)</dd><dd class='note'>\(note)</dd></div>"
    }
}
