/// The file system that holds an engine's storage, and what of it may go.
public struct DiskState: Sendable {
    /// As measured last; nil while it is not known.
    public internal(set) var space: DiskSpace?
    /// When it is measured next; nil: at once.
    var measureAt: Timestamp?
    /// There is less than the reserve, as far as is known.
    var isShort = false
    /// During a shortage: the images that there are. nil: to be listed.
    var images: [EngineImage]?
    /// Images that could not be removed in this shortage.
    var refused: Set<String> = []
    /// What nobody uses of others' was removed in this shortage.
    var isSwept = false
    /// When runners of ours, or their jobs, last used which image, by its key.
    var used: [String: Use] = [:]
    struct Use: Sendable {
        var at: Timestamp
        /// As the database has it.
        var written: Timestamp
    }

    mutating func forgetShortage() {
        isShort = false
        images = nil
        refused = []
        isSwept = false
    }

    /// The image that is to go next: the one of ours that has been unused the longest.
    /// - Parameter named: by pools, which will want them again.
    func nextToGo(named: Set<String>) -> EngineImage? {
        let mine = (images ?? []).compactMap { image -> (image: EngineImage, at: Timestamp)? in
            guard !image.isUsed, !refused.contains(image.id), !image.keys.contains(where: named.contains) else { return nil }
            return image.keys.compactMap { used[$0]?.at }.max().map { (image, $0) }
        }
        return mine.min { ($0.at, $0.image.id) < ($1.at, $1.image.id) }?.image
    }
}

extension FleetState {
    /// How old the last use of an image may be in the database: not every job is written.
    static let useIsWrittenAfter = Duration.seconds(3600)

    mutating func usedImage(_ name: String, at place: Place, at now: Timestamp) {
        let image = ImageName.key(name)
        let known = places[place]?.disk.used[image]
        if let known, now - known.written < Self.useIsWrittenAfter {
            places[place]?.disk.used[image]?.at = now
            return
        }
        places[place, default: PlaceState()].disk.used[image] = .init(at: now, written: now)
        save(.image(ImageUse(host: place.host, image: image, at: now)))
    }

    mutating func measured(_ place: Place, _ space: DiskSpace?, at now: Timestamp) {
        guard var disk = places[place]?.disk else { return }
        disk.space = space
        let reserve = configuration.diskReserve(of: place.host)
        if let space, space.free < reserve {
            if !disk.isShort { tell(.diskShort(free: space.free, reserve: reserve), subject: "\(place)") }
            disk.isShort = true
            // Others use and leave images meanwhile.
            if disk.nextToGo(named: imagesNamed(at: place)) == nil { disk.images = nil }
        } else if disk.isShort {
            tell(.diskRoomy, subject: "\(place)")
            disk.forgetShortage()
        }
        places[place]?.disk = disk
    }

    mutating func imageRemoved(_ image: EngineImage, at place: Place, _ trouble: Trouble?, at now: Timestamp) {
        notePlace(place, trouble, at: now)
        places[place]?.disk.images?.removeAll { $0.id == image.id }
        if trouble == nil {
            tell(.imageRemoved(bytes: image.bytes), subject: image.names.first ?? image.id)
            for name in image.keys where places[place]?.disk.used.removeValue(forKey: name) != nil {
                save(.imageGone(host: place.host, image: name))
            }
        } else {
            places[place]?.disk.refused.insert(image.id)
        }
        places[place]?.disk.measureAt = nil
    }

    mutating func swept(_ place: Place, _ trouble: Trouble?, at now: Timestamp) {
        notePlace(place, trouble, at: now)
        places[place]?.disk.isSwept = true
        places[place]?.disk.measureAt = nil
    }

    mutating func refreshed(_ image: WantedImage, at place: Place, _ trouble: Trouble?, at now: Timestamp) {
        notePlace(place, trouble, at: now)
        guard let trouble else {
            places[place]?.refreshes[image]?.hasFailed = false
            // Runners of the image that it replaces are found by a look.
            return look(at: place, by: now)
        }
        places[place]?.refreshes[image]?.at = now + Beat.refreshAgain
        if places[place]?.refreshes[image]?.hasFailed == false { tell(.imageNotRefreshed(trouble.text), subject: "\(image)") }
        places[place]?.refreshes[image]?.hasFailed = true
    }

    /// Its container has grown: a new one is as good, and takes less room.
    mutating func weighed(_ id: RunnerID, _ result: Result<Answer, Trouble>, at now: Timestamp) {
        guard case .success(.written(let bytes?)) = result, let runner = runners[id], let index = index(ofPool: runner.pool),
            let most = pools[index].pool.diskMax, bytes > most
        else { return }
        leave(id, "its container has grown to \(bytes >> 20) MiB, beyond disk_max", failed: false)
    }

    /// By their keys.
    func imagesNamed(at place: Place) -> Set<String> {
        var names: Set<String> = []
        for pool in pools.filter({ $0.engines.contains(place) }).map(\.pool) {
            if pool.driver == .container { names.formUnion([pool.image, pool.wantedImage.localName]) }
            if pool.executor == .docker { names.formUnion([pool.docker.image, pool.docker.helperImage]) }
        }
        return Set(names.map(ImageName.key))
    }

    /// How much too little there is; nil while there is enough, or nobody knows.
    public func shortage(at place: Place) -> DiskSpace? {
        guard let disk = places[place]?.disk, disk.isShort else { return nil }
        return disk.space
    }
}

extension Planner {
    static func disk(of place: Place, _ state: FleetState, at now: Timestamp, into plan: inout Plan) {
        guard place.kind == .container, state.configuration.diskReserve(of: place.host) > 0, !state.isUnderWay(.disk(place)) else { return }
        let disk = state.places[place]?.disk ?? DiskState()
        // After a removal it is measured again before the next.
        if disk.measureAt.map({ now >= $0 }) != false { return plan.actions.append(.measure(place)) }
        if let at = disk.measureAt { plan.wake(at: at) }
        guard disk.isShort, state.configuration.prune != .nothing else { return }
        guard disk.images != nil else { return plan.actions.append(.listImages(place)) }
        if let image = disk.nextToGo(named: state.imagesNamed(at: place)) {
            plan.actions.append(.removeImage(place, image))
        } else if state.configuration.prune == .all, !disk.isSwept {
            plan.actions.append(.sweepStorage(place))
        }
    }
}
