// The order in which a region lists its resources.
import Driver

/// All places, in order.
struct Listing<Resource>: Sendable {
    private var places: [ListingPlace<Resource>]

    init(_ places: [ListingPlace<Resource>] = []) {
        self.places = places.sorted()
    }

    mutating func insert(_ place: ListingPlace<Resource>) {
        places.insert(place, at: position(after: place))
    }

    /// Removes a place that is there.
    mutating func remove(_ place: ListingPlace<Resource>) {
        places.remove(at: position(after: place) - 1)
    }

    /// What comes after `place`, which need not exist any more; all, after none.
    func after(_ place: ListingPlace<Resource>?) -> ArraySlice<ListingPlace<Resource>> {
        places[(place.map(position(after:)) ?? 0)...]
    }

    private func position(after place: ListingPlace<Resource>) -> Int {
        var low = 0
        var high = places.count
        while low < high {
            let middle = (low + high) / 2
            if places[middle] <= place { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
