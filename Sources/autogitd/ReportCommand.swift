import ArgumentParser
import ControlModel
import Doctor
import Fleet
import FoundationEssentials
import Glibc
import HTTPTransfer
import HostTools
import Settings

/// `autogitctl report`.
struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "report", abstract: "Pack what a bug report needs.", shouldDisplay: false)

    @Option var output: String?
    @Option var config = "/etc/autogit/autogit.toml"
    @Option var socket = "/run/autogit/control.sock"

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        umask(0o077)
        let stamp = String(Date().formatted(.iso8601).prefix(16).filter { $0.isNumber || $0 == "T" })
        let name = "autogit-report-\(stamp)"
        let path = output ?? "\(name).tar.gz"
        let report = await gather()
        let machine = ThisMachine()
        let folder = "\(ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp")/\(name)-\(UInt32.random(in: 0 ... .max))"
        guard mkdir(folder, 0o700) == 0, mkdir("\(folder)/\(name)", 0o700) == 0 else {
            throw CommandFailure("\(folder) cannot be created: \(String(cString: strerror(errno)))")
        }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        do {
            for file in report.files { try machine.write("\(folder)/\(name)/\(file.name)", file.text, mode: 0o600, owner: nil) }
        } catch {
            throw CommandFailure("\(error)")
        }
        // The name may be relative to where the operator is.
        let whole = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        switch await machine.run(["tar", "-C", folder, "-czf", whole, name], input: nil, limit: .seconds(60)) {
        case .ended(0, _, _): break
        case .ended(_, _, let errors): throw CommandFailure("\(path) cannot be written: \(errors.trimmed)")
        case .missing: throw CommandFailure("tar is not installed")
        case .failed(let reason): throw CommandFailure("tar \(reason)")
        }
        chmod(whole, 0o600)
        print("\(path): \(report.files.map(\.name).joined(separator: ", "))")
        print("Tokens and passwords are taken out. Names of projects, jobs, users and machines are in it: look through it before you give it away.")
    }

    private func gather() async -> Report {
        let machine = ThisMachine()
        let settings = try? await SettingsFile(path: config).read(asInstalled: true)
        var secrets = [settings?.gitlab.token, settings?.gitlab.webhookSecret, settings?.controlToken].compactMap { $0 }
        secrets += settings?.registries.map(\.password) ?? []
        secrets += settings?.pools.flatMap { $0.env.values.map { Secret($0) } } ?? []
        for path in [TokenFiles.plain, "/etc/autogit/webhook-secret"] {
            if let text = machine.file(path).text?.trimmed { secrets.append(Secret(text)) }
        }
        var report = Report(hiding: secrets)

        func program(_ words: String...) async -> String {
            switch await machine.run(words, input: nil, limit: .seconds(30)) {
            case .ended(let code, let output, let errors): "$ \(words.joined(separator: " "))\n\(output)\(errors)\(code == 0 ? "" : "(status \(code))\n")"
            case .missing: "$ \(words.joined(separator: " "))\nnot installed\n"
            case .failed(let reason): "$ \(words.joined(separator: " "))\n\(reason)\n"
            }
        }
        report.add(
            "versions.txt",
            "autogitd \(autogitVersion)\n" + (machine.file("/etc/os-release").text ?? "") + (await program("uname", "-a"))
                + (await program("systemctl", "--version"))
                + (await program("podman", "--version")) + (await program("docker", "--version")) + (await program("systemd-detect-virt")))
        report.add("doctor.txt", await DoctorCommand.diagnosis(config: config, socket: socket, isQuiet: false).text)
        if let settings {
            report.add("configuration.txt", Understood(settings, listening: await WebhookAddress.ofUnit(settings), warnings: []).description + "\n")
        } else if let text = machine.file(config).text {
            report.add("configuration.txt", "It is not valid; without the values:\n" + Report.keys(of: text))
        }
        report.add(
            "units.txt",
            await program("systemctl", "cat", "--no-pager", "autogit.service", "autogit.socket", "autogit-control.socket")
                + program("systemctl", "status", "--no-pager", "--full", "--lines=0", "autogit.service", "autogit.socket", "autogit-control.socket"))
        report.add("journal.txt", await program("journalctl", "--no-pager", "-o", "short-iso", "-n", "5000", "-u", "autogit*"))
        let http = HTTPClient()
        for part in ["status", "health", "pools", "runners", "jobs", "hosts", "gpus"] {
            let answer = try? await http.send(HTTPRequest("GET", "http://autogit/\(part)", unixSocket: socket, timeout: .seconds(20)))
            report.add("\(part).json", answer?.text ?? "the daemon does not answer\n")
        }
        return report
    }
}
