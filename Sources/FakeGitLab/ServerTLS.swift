import Foundation

/// A certificate authority that is made for one server and lives for two days, and that server's certificate, both by `openssl`.
public struct ServerTLS: Sendable {
    /// What went wrong with the files, beside what `Command.Failed` says.
    public struct Unusable: Error, CustomStringConvertible {
        /// Which name, and why.
        public var description: String
    }

    /// The authority's certificate, PEM: what clients are told to trust.
    public let caFile: String
    /// The server's, PEM.
    public let certificateFile: String
    /// Its private key, PEM, for its owner only.
    public let keyFile: String

    /// Makes all three, in place of those that are there. The authority's own key isn't kept: nothing else can be signed.
    /// - Parameters:
    ///   - directory: is made if it isn't there. It then has `ca.pem`, `server.pem` and `server.key`.
    ///   - names: host names and addresses that the server goes by, besides localhost, 127.0.0.1 and ::1.
    /// - Throws: `Unusable` for a name that a certificate can't have, `Command.Failed` with what openssl said.
    public static func make(in directory: String, names: [String] = []) async throws -> ServerTLS {
        let tls = ServerTLS(caFile: "\(directory)/ca.pem", certificateFile: "\(directory)/server.pem", keyFile: "\(directory)/server.key")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let alternatives = try (["localhost", "127.0.0.1", "::1"] + names).map(alternative).joined(separator: ",")
        let scratch = ["ca.key", "ca.srl", "server.csr", "server.ext"].map { "\(directory)/\($0)" }
        defer { for path in scratch { try? FileManager.default.removeItem(atPath: path) } }
        let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        try await Command.run(
            "openssl",
            ["req", "-x509", "-days", "2", "-subj", "/CN=Fake GitLab's authority", "-keyout", scratch[0], "-out", tls.caFile] + newKey
                + ["-addext", "keyUsage=critical,keyCertSign,cRLSign"])
        try await Command.run("openssl", ["req", "-new", "-subj", "/CN=Fake GitLab", "-keyout", tls.keyFile, "-out", scratch[2]] + newKey)
        let extensions = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=\(alternatives)\n"
        try extensions.write(toFile: scratch[3], atomically: false, encoding: .utf8)
        try await Command.run(
            "openssl",
            [
                "x509", "-req", "-days", "2", "-in", scratch[2], "-CA", tls.caFile, "-CAkey", scratch[0], "-CAserial", scratch[1], "-CAcreateserial",
                "-extfile", scratch[3], "-out", tls.certificateFile,
            ])
        return tls
    }

    private static func alternative(_ name: String) throws -> String {
        // A comma or a line's end would become another extension.
        guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-._:*".contains($0)) }) else {
            throw Unusable(description: "a certificate can't be for the name \"\(name)\"")
        }
        let isAddress = name.contains(":") || name.wholeMatch(of: /\d+\.\d+\.\d+\.\d+/) != nil
        return (isAddress ? "IP:" : "DNS:") + name
    }
}
