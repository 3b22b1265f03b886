import Fleet
import HTTPTransfer
import Testing

@testable import GitLab

/// Nothing is followed; what a redirect says of the configured URL is told.
@Suite struct RedirectTests {
    @Test(
        arguments: [
            ("http://home", "https://home/api/v4/version", "https://home", .tls(url: "https://home")),
            ("http://home:3000", "https://home/api/v4/version", "https://home", .tls(url: "https://home")),
            ("http://home:3000", "https://HOME:8443/api/v4/user?x=1", "https://home:8443", .tls(url: "https://home:8443")),
            ("http://home/gitlab", "https://home/gitlab/api/v4/version", "https://home", .tls(url: "https://home/gitlab")),
            ("http://home/gitlab", "https://home/", "https://home", .tls(url: "https://home/gitlab")),
            ("http://[fd00::1]:80", "https://[fd00::1]/api/graphql", "https://[fd00::1]", .tls(url: "https://[fd00::1]")),
            ("http://home", "https://gitlab.home/api/v4/version", "https://gitlab.home", .moved(url: "https://gitlab.home")),
            ("https://home", "/gitlab/api/v4/version", "/gitlab/api/v4/version", .moved(url: "https://home/gitlab")),
            ("https://home", "/api/v4/version/", "/api/v4/version/", .elsewhere),
            ("https://home", "/users/sign_in", "/users/sign_in", .signIn(url: "https://home")),
            ("https://home", "https://home/gitlab/users/sign_in", "https://home", .signIn(url: "https://home/gitlab")),
            ("https://home", "https://me:pw@login.test/flow?token=1", "https://login.test", .elsewhere),
            ("https://home", "//login.test/flow", "//login.test/flow", .elsewhere),
            ("http://home", "https://login.home/", "https://login.home", .elsewhere),
        ] as [(String, String, String, Redirect.Meaning)])
    func whatARedirectSays(configured: String, location: String, place: String, meaning: Redirect.Meaning) {
        let redirect = Redirect(location, from: configured)
        #expect(redirect?.place == place && redirect?.meaning == meaning, "\(String(describing: redirect))")
    }

    @Test(arguments: [301, 302, 307, 308]) func theURLThatWouldDoIsNamed(status: Int) {
        let judge = AnswerJudge(url: "http://home:3000/gitlab", hiding: [Secret("glpat-abcdefgh12345678")])
        func message(_ location: String) -> String {
            judge.refusal(of: "GET version", HTTPResponse(status: status, headers: [("location", location)], body: [])).message
        }
        #expect(message("https://home/gitlab/api/v4/version").contains("write [gitlab] url with https, url = \"https://home/gitlab\""))
        #expect(message("http://other/api/v4/version").contains("write in [gitlab] url = \"http://other\""))
        #expect(message("/users/sign_in").contains("write in [gitlab] url = \"http://home:3000\""))
        #expect(message("https://login.test/").contains("A login page or proxy"))
        #expect(!message("https://home/glpat-abcdefgh12345678/api/v4/version").contains("abcdefgh"))
        #expect(!message("https://home\u{1B}[2J/api/v4/version").contains("\u{1B}"))
    }

    @Test func plainHTTPAtAPortOfTLSAndTheOtherWayRoundAreTold() {
        let page = "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
        let answer = HTTPResponse(status: 400, headers: [("content-type", "text/html")], body: Array(page.utf8))
        #expect(AnswerJudge(url: "http://home:443/x", hiding: []).refusal(of: "GET version", answer).message.contains("url = \"https://home:443/x\""))
        let judge = AnswerJudge(url: "https://home", hiding: [])
        #expect(judge.unreachable("x", because: "SSL routines::wrong version number", isOfTLS: true).message.contains("Is it http"))
        #expect(judge.unreachable("x", because: "SSL certificate problem: self-signed certificate", isOfTLS: true).message.contains("ca_file"))
        #expect(!judge.unreachable("x", because: "Connection refused").message.contains("ca_file"))
    }

    @Test func aPageOfAProxyWithoutTheRouteNamesThePath() {
        let answer = HTTPResponse(status: 404, headers: [("content-type", "text/html")], body: Array("<title>404 Not Found</title>".utf8))
        #expect(AnswerJudge(url: "https://home", hiding: []).refusal(of: "GET version", answer).message.contains("as in https://home.example/gitlab"))
    }
}
