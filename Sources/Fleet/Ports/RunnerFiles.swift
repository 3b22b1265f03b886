/// The files that tell a runner who it is, the same for every driver. They hold its token, so only the runner may be able to read them.
public enum RunnerFiles {
    /// The folder in which the runner sees them.
    public static let directory = "/run/autogit"
    /// The path of gitlab-runner's configuration, as the runner sees it.
    public static let configuration = directory + "/config.toml"

    /// The name and text of each file: `url`, `token` and `name` for a pool's own command, and `config.toml` for gitlab-runner, with the
    /// shell executor and one job at a time.
    public static func contents(for spec: RunnerSpec, _ credentials: RunnerCredentials) -> [(name: String, content: String)] {
        let name = Runner.name(of: spec.runner)
        let token = credentials.token.reveal()
        return [
            ("url", credentials.url + "\n"), ("token", token + "\n"), ("name", name + "\n"),
            (
                "config.toml",
                """
                concurrent = 1
                check_interval = 1
                shutdown_timeout = 30

                [[runners]]
                  name = \(tomlString(name))
                  url = \(tomlString(credentials.url))
                  token = \(tomlString(token))
                  executor = "shell"
                """ + "\n"
            ),
        ]
    }

    /// A TOML basic string.
    static func tomlString(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
