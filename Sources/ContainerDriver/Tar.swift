/// A tar archive in memory (POSIX.1-1988 ustar, tar(5)): just what `PUT /containers/{id}/archive` needs.
struct Tar {
    private(set) var bytes: [UInt8] = []

    /// Whose all entries are.
    let owner: ContainerUser

    init(owner: ContainerUser = .root) { self.owner = owner }

    mutating func directory(_ path: String, mode: Int) {
        entry(path.hasSuffix("/") ? path : path + "/", mode: mode, type: "5", content: [])
    }

    mutating func file(_ path: String, mode: Int, _ content: String) {
        entry(path, mode: mode, type: "0", content: Array(content.utf8))
    }

    /// The content of the first regular file of an archive; nil when there is none, or it is cut short.
    static func firstFile(_ archive: [UInt8]) -> [UInt8]? {
        var start = 0
        while start + 512 <= archive.count {
            let header = archive[start..<start + 512]
            func text(_ offset: Int, _ length: Int) -> Substring {
                String(decoding: header.dropFirst(offset).prefix(length), as: UTF8.self).prefix { $0 != "\0" && $0 != " " }
            }
            guard let size = Int(text(124, 12), radix: 8), size >= 0, size < archive.count else { return nil }
            let content = start + 512
            let type = header[header.startIndex + 156]
            if type == UInt8(ascii: "0") || type == 0 { return content + size <= archive.count ? Array(archive[content..<content + size]) : nil }
            start = content + (size + 511) / 512 * 512
        }
        return nil
    }

    /// The archive with its end mark.
    func finished() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    private mutating func entry(_ path: String, mode: Int, type: Character, content: [UInt8]) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        func octal(_ value: Int, _ width: Int) -> String {
            let digits = String(value, radix: 8)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        precondition(path.utf8.count < 100, "paths here are short and our own")
        put(path, at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(owner.user, 7), at: 108)
        put(octal(owner.group, 7), at: 116)
        put(octal(content.count, 11), at: 124)
        put(octal(0, 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(octal(sum, 6) + "\0 ", at: 148)
        bytes += header + content
        let rest = content.count % 512
        if rest > 0 { bytes += [UInt8](repeating: 0, count: 512 - rest) }
    }
}
