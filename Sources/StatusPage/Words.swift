import ControlModel

/// The small pieces that all pages share.
enum Words {
    /// An age that the script keeps counting; the text itself where it is not a time.
    static func age(since text: String, now: Double) -> HTML {
        guard let then = Moments.seconds(text) else { return "\(text.clipped(to: Bounds.name))" }
        return "<time datetime='\(text)' data-since>\(Moments.age(now - then))</time>"
    }

    /// A countdown that the script keeps counting.
    static func countdown(to seconds: Double, now: Double) -> HTML {
        "<time datetime='\(Moments.text(seconds.rounded(.up)))' data-until>\(Moments.age(seconds.rounded(.up) - now))</time>"
    }

    /// A time of day, with its date unless that is today's. With JavaScript in the reader's time zone.
    static func clock(_ text: String, now: Double) -> HTML {
        guard let then = Moments.seconds(text) else { return "\(text.clipped(to: Bounds.name))" }
        let (iso, today) = (Moments.text(then), Moments.text(now).prefix(10))
        let time = iso.dropFirst(11).prefix(8)
        let shown = iso.hasPrefix(today) ? "\(time) UTC" : "\(iso.prefix(10)) \(time) UTC"
        return "<time datetime='\(iso)' data-clock>\(shown)</time>"
    }

    /// A name given by others: bounded, and isolated so that its direction does not affect its neighbors.
    static func name(_ text: String) -> HTML { "<bdi>\(text.clipped(to: Bounds.name))</bdi>" }

    static func runner(_ id: String) -> HTML { "<a class='id' href='/ui/runners/\(Escaping.pathSegment(id))'>\(id.clipped(to: Bounds.name))</a>" }

    static func job(_ job: JobView) -> HTML {
        "<a href='/ui/jobs/\(job.id)'>\(job.name.map(name) ?? "job \(job.id)")</a>"
    }

    static func project(_ job: JobView) -> HTML { job.project.map(name) ?? "project \(job.project_id)" }

    static func tags(_ tags: [String]) -> HTML {
        var all = HTML.empty
        for tag in tags.prefix(Bounds.tags) { all += "<li>\(name(tag))</li>" }
        if tags.count > Bounds.tags { all += "<li class='more'>\(tags.count - Bounds.tags) more</li>" }
        return all.isEmpty ? "<span class='soft'>untagged</span>" : "<ul class='tags'>\(all)</ul>"
    }

    /// A state with its color; the word says it, too.
    static func state(_ word: String, _ tone: Tone) -> HTML { "<span class='tone \(tone.rawValue)'>\(word.clipped(to: Bounds.name))</span>" }

    /// A button that gives an order; nil for readers who may not give any.
    static func order(_ label: String, about subject: String, to path: [String], _ session: Session) -> HTML? {
        guard case .signedIn(let csrf) = session else { return nil }
        var url = "/ui"
        for part in path { url += "/" + Escaping.pathSegment(part) }
        return """
            <form method='post' action='\(url)' data-order><input type='hidden' name='csrf' value='\(csrf)'>\
            <button aria-label='\(label) \(subject.clipped(to: Bounds.name))'>\(label)</button></form>
            """
    }

    /// A section of a page, with its heading.
    static func section(_ id: StaticString, _ title: StaticString, count: Int? = nil, note: HTML? = nil, _ body: HTML) -> HTML {
        let shownCount: HTML? = count.map { " <span class='count'>\($0)</span>" }
        let shownNote: HTML? = note.map { "<p class='note'>\($0)</p>" }
        let (id, title) = (HTML(stringLiteral: id), HTML(stringLiteral: title))
        return """
            <section id='\(id)' aria-labelledby='\(id)-title'><div class='heading'><h2 id='\(id)-title'>\(title)\(shownCount)</h2>\(shownNote)</div>\
            \(body)</section>
            """
    }
}

/// The meaning of a color.
enum Tone: String {
    case good, busy, wait, bad, quiet
}

extension Tone {
    init(runner status: String) {
        self =
            switch status {
            case "busy": .busy
            case "idle": .good
            case "provisioning": .wait
            case "offline": .bad
            default: .quiet
            }
    }

    init(job status: String) {
        self =
            switch status {
            case "success": .good
            case "failed": .bad
            case "running", "canceling": .busy
            case "pending": .wait
            default: .quiet
            }
    }
}
