import Testing

@testable import StatusPage

@Suite struct SafetyTests {
    @Test(arguments: Fixtures.pages()) func readsStrictly(page: Page) {
        let markup = Markup(page.text)
        #expect(markup.faults == [], "\(page.name)")
    }

    @Test(arguments: Fixtures.pages()) func fitsItsPolicy(page: Page) {
        for element in Markup(page.text).elements {
            for attribute in element.attributes.keys {
                #expect(!attribute.hasPrefix("on") && attribute != "style", "\(page.name): <\(element.name) \(attribute)>")
            }
            switch element.name {
            case "script": #expect(element.attributes["src"]?.hasPrefix("/assets/autogit.js?v=") == true && element.attributes.count == 2)
            case "link": #expect(element.attributes["href"]?.hasPrefix("/assets/autogit.") == true)
            case "form": #expect(element.attributes["action"]?.hasPrefix("/ui/") == true && element.attributes["method"] == "post")
            case "a":
                let target = element.attributes["href"] ?? ""
                #expect(
                    target.hasPrefix("/") && !target.hasPrefix("//") || target.hasPrefix("#") || target.hasPrefix("https://gitlab.example.org"),
                    "\(page.name): \(target)")
            default: #expect(element.attributes["src"] == nil && element.attributes["href"] == nil)
            }
        }
        // The script's element is empty, and there is only one.
        #expect(page.text.split(separator: "<script").count == 2 && page.text.contains("defer></script>"))
    }

    @Test(arguments: Fixtures.pages()) func refersToItself(page: Page) {
        let markup = Markup(page.text)
        let ids = markup.values(of: "id")
        #expect(Set(ids).count == ids.count, "\(page.name): an id twice")
        #expect(ids.allSatisfy { !$0.contains(" ") && !$0.contains("\n") })
        let references =
            (markup.values(of: "aria-labelledby") + markup.values(of: "aria-describedby")).flatMap { $0.split(separator: " ").map(String.init) }
            + markup.values(of: "for") + markup.all("a").compactMap { $0.attributes["href"] }.filter { $0.hasPrefix("#") }.map { String($0.dropFirst()) }
        for reference in references { #expect(ids.contains(reference), "\(page.name): #\(reference)") }
        #expect(markup.all("h1").count == 1 && markup.all("main").count == 1 && markup.all("html").first?.attributes["lang"] == "en")
        for button in markup.all("svg") { #expect(button.attributes["aria-label"] != nil || button.attributes["aria-labelledby"] != nil) }
    }

    @Test func policyAllowsNothingInline() {
        #expect(StatusPage.contentSecurityPolicy.hasPrefix("default-src 'none'; "))
        #expect(!StatusPage.contentSecurityPolicy.contains("unsafe"))
        #expect(StatusPage.securityHeaders.contains { $0.name == "Content-Security-Policy" && $0.value == StatusPage.contentSecurityPolicy })
        #expect(!StatusPage.style.contains("url(") && !StatusPage.style.contains("@import") && !StatusPage.style.contains("http"))
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "http"] {
            #expect(!StatusPage.script.contains(sink))
        }
    }

    @Test func csrfIsOnlyInForms() {
        for page in Fixtures.pages() {
            let markup = Markup(page.text)
            let orders = markup.all("form").count { $0.attributes["action"] != "/ui/sign-in" }
            #expect(page.text.components(of: Fixtures.csrf) == orders, "\(page.name)")
        }
    }

    @Test func escapesForTextAndAttributes() {
        func shown(_ text: String) -> String { ("\(text)" as HTML).markup }
        #expect(shown("<a href=\"x\" title='y'>&amp;") == "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;")
        #expect(shown("a\u{202E}b\u{0}\u{7F}\u{9B}\n\t") == #"a\u{202E}b\u{0}\u{7F}\u{9B}\u{A}\u{9}"#)
        #expect(shown("\u{2066}\u{FEFF}\u{200B}\u{2028}\u{E0041}") == #"\u{2066}\u{FEFF}\u{200B}\u{2028}\u{E0041}"#)
        #expect(shown("Grüße, 世界 👩‍👩‍👧 עברית") == "Grüße, 世界 👩‍👩‍👧 עברית")
    }

    @Test func encodesPathSegments() {
        #expect(Escaping.pathSegment("a-B_9.~") == "a-B_9.~")
        #expect(Escaping.pathSegment("x/../y?z#\"' ü\n") == "x%2F..%2Fy%3Fz%23%22%27%20%C3%BC%0A")
        var content = Fixtures.content(Fixtures.signedIn, runners: [Fixtures.runner("a/b")], pools: [Fixtures.pool("c d&e")])
        content.pools[0].paused = true
        let markup = Markup(StatusPage.overview(content))
        #expect(markup.values(of: "href").contains("/ui/runners/a%2Fb"))
        #expect(Set(markup.values(of: "action")) == ["/ui/sign-out", "/ui/pools/c%20d%26e/resume", "/ui/runners/a%2Fb/drain"])
    }

    @Test func cleansLogLines() {
        #expect(Escaping.logLine("\u{1B}[32;1mok\u{1B}[0;m\tdone\r", atMost: 100) == "ok    done")
        #expect(Escaping.logLine("\u{1B}[", atMost: 100) == "")
        #expect(Escaping.logLine("12345", atMost: 4) == "1234…")
        #expect(Escaping.logLine(String(repeating: "\u{1B}[0m", count: 1_000_000), atMost: 10).unicodeScalars.count <= 11)
    }

    @Test func clipsByScalars() {
        #expect("abc".clipped(to: 3) == "abc" && "abcd".clipped(to: 3) == "abc…" && "äöü".clipped(to: 3) == "äöü")
        let stacked = "a" + String(repeating: "\u{301}", count: 10_000)
        #expect(stacked.clipped(to: 50).unicodeScalars.count == 51)
    }
}

extension String {
    /// How often it has a part.
    func components(of part: String) -> Int {
        var (count, rest) = (0, self[...])
        while let range = rest.firstRange(of: part) { (count, rest) = (count + 1, rest[range.upperBound...]) }
        return count
    }
}
