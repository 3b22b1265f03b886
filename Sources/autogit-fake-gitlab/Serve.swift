import ArgumentParser
import Foundation
import FakeGitLab

/// The fake GitLab as a program, for tests that run AutoGit on another machine.
@main
struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "autogit-fake-gitlab", abstract: "A GitLab for tests, on loopback.")

    @Option(help: "0 takes any free port.")
    var port = 0

    @Option(help: "How clients reach it, when that is not http://127.0.0.1:PORT, or https with --tls; PORT in it is replaced.")
    var url: String?

    @Option(help: "For the repositories.")
    var directory: String

    @Option(help: "A file with an administrator's access token.")
    var tokenFile: String

    @Option(help: ArgumentHelp("Another access token, of no administrator: SCOPE,SCOPE=FILE. May be repeated.", valueName: "scopes=file"))
    var otherToken: [String] = []

    @Option(help: "A project and its pipeline: GROUP/NAME=FILE. May be repeated.")
    var project: [String] = []

    @Option(help: ArgumentHelp("Serves https, with a certificate of an authority that is made for it: ca.pem in this folder.", valueName: "folder"))
    var tls: String?

    @Option(help: "A name or address in the certificate, besides localhost, 127.0.0.1, ::1 and the host of --url. May be repeated.")
    var tlsName: [String] = []

    func run() async throws {
        let names = tlsName + (url.flatMap { URLComponents(string: $0.replacingOccurrences(of: "PORT", with: "0"))?.host }.map { [$0] } ?? [])
        var certificate: ServerTLS?
        if let tls { certificate = try await ServerTLS.make(in: tls, names: names) }
        let gitlab = try await FakeGitLabServer.start(port: port, directory: directory, tls: certificate)
        if let url {
            let number = gitlab.url.split(separator: ":").last.map(String.init) ?? ""
            await gitlab.instance.setURL(url.replacingOccurrences(of: "PORT", with: number))
        }
        func secret(in file: String) throws -> String { try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines) }
        await gitlab.instance.add(AccessToken(secret: try secret(in: tokenFile), scopes: ["api"], isAdmin: true))
        for entry in otherToken {
            let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ValidationError("--other-token is SCOPE,SCOPE=FILE") }
            let scopes = Set(parts[0].split(separator: ",").map(String.init))
            await gitlab.instance.add(AccessToken(secret: try secret(in: parts[1]), scopes: scopes, isAdmin: false))
        }
        for entry in project {
            let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ValidationError("--project is GROUP/NAME=FILE") }
            _ = try await gitlab.instance.addProject(
                path: parts[0], pipelineFile: try String(contentsOfFile: parts[1], encoding: .utf8), acceptsUnquotedColons: true,
                variables: ["GITLAB_PYTHON_RUNNER_COMPUTED": "1"])
        }
        FileHandle.standardOutput.write(Data("\(gitlab.url)\n".utf8))
        // Until it is killed.
        while !Task.isCancelled { try await Task.sleep(for: .seconds(3600)) }
    }
}
