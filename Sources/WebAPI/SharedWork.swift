/// Work whose result is for all who ask while it isn't begun: many who ask at once cost as much as one.
actor SharedWork<Value: Sendable> {
    private var current: Task<Value, any Error>?
    private var following: Task<Value, any Error>?
    /// So many have asked.
    private(set) var asked = 0

    /// The result of work that began after this call: what is under way may be too old to show what its reader was told of.
    func value(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        asked += 1
        if let following { return try await following.value }
        guard let current else { return try await begin(work).value }
        let next = Task {
            _ = await current.result
            return try await self.begin(work).value
        }
        following = next
        return try await next.value
    }

    private func begin(_ work: @escaping @Sendable () async throws -> Value) -> Task<Value, any Error> {
        following = nil
        let task = Task {
            defer { self.current = nil }
            return try await work()
        }
        current = task
        return task
    }
}
