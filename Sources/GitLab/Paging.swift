import HTTPTransfer

/// Lists that come in pages.
enum Paging {
    /// The path of the next page, from `Link: <…>; rel="next"`, relative to GitLab's URL. A link to
    /// another host is followed on ours: behind a proxy GitLab may not know its own name, and the token
    /// must not go elsewhere.
    static func next(after answer: HTTPResponse) -> String? {
        guard let link = answer.header("link") else { return nil }
        for part in link.split(separator: ",") where part.contains("rel=\"next\"") {
            guard let open = part.firstIndex(of: "<"), let close = part[open...].firstIndex(of: ">") else { continue }
            let url = part[part.index(after: open)..<close]
            guard let api = url.firstRange(of: "/api/v4/") else { continue }
            return String(url[api.lowerBound...])
        }
        return nil
    }
}
