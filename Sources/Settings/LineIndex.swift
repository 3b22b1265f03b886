/// The lines of sections and keys in the text. TOMLKit knows the places of syntax errors only, so this looks for headers and keys as
/// they are usually written; a key that it doesn't find gets its section's line.
struct LineIndex {
    private var places: [String: Int] = [:]

    init(_ text: String) {
        var section = ""
        var counts: [String: Int] = [:]
        for (number, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = raw.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("[") {
                let name = line.drop { $0 == "[" }.prefix { $0 != "]" }.filter { !$0.isWhitespace && $0 != "\"" }
                // A table within an array of tables belongs to the array's last element.
                let owner = name.firstIndex(of: ".").flatMap { counts[String(name[..<$0])] }.map { $0 - 1 }
                let counted = owner.map { "\(name)#\($0)" } ?? name
                let index = counts[counted, default: 0]
                counts[counted] = index + 1
                if line.hasPrefix("[["), let owner {
                    section = "\(name)#\(owner).\(index)"
                } else {
                    section = "\(name)#\(line.hasPrefix("[[") ? index : owner ?? 0)"
                }
                places[section] = places[section] ?? number + 1
            } else if let equals = line.firstIndex(of: "="), !line.hasPrefix("#") {
                let key = line[..<equals].filter { !$0.isWhitespace && $0 != "\"" }
                let place = "\(section)/\(key)"
                places[place] = places[place] ?? number + 1
            }
        }
    }

    /// - Parameter element: of an array within the section.
    func line(section: String, index: Int, element: Int? = nil, key: String?) -> Int? {
        let prefix = section.isEmpty ? "" : "\(section)#\(index)\(element.map { ".\($0)" } ?? "")"
        // Written in one line of the section that it is in.
        if element != nil, places[prefix] == nil, let dot = section.lastIndex(of: ".") {
            return line(section: String(section[..<dot]), index: index, key: String(section[section.index(after: dot)...]))
        }
        // An array of tables may stand in one line, too.
        guard let key else { return places[prefix] ?? places["/\(section)"] }
        // The key of a table that has a header of its own.
        if let dot = key.firstIndex(of: "."), let line = line(section: "\(section).\(key[..<dot])", index: index, key: String(key[key.index(after: dot)...])) {
            return line
        }
        return places["\(prefix)/\(key)"] ?? places["\(section).\(key)#\(index)"] ?? places[prefix] ?? places[section.isEmpty ? "\(key)#0" : "/\(section)"]
    }
}
