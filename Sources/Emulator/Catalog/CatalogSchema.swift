// The catalog's tables, by version.
//
// A migration that was released is never changed; a later shape is a later migration. Times are milliseconds
// since 1970. Numbers are AUTOINCREMENT so that SQLite itself remembers the highest and none is used twice.
import GRDB

enum CatalogSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: volumes, attachments, instances, client tokens") { database in
            try database.execute(sql: version1)
        }
        migrator.registerMigration("2: modifications") { database in
            try database.execute(sql: version2)
        }
        migrator.registerMigration("3: credits, types of instances") { database in
            try database.execute(sql: version3)
        }
        migrator.registerMigration("4: snapshots, objects of their store, origins of volumes") { database in
            try database.execute(sql: version4)
        }
        migrator.registerMigration("5: what pending snapshots count from, fast restores") { database in
            try database.execute(sql: version5)
        }
        migrator.registerMigration("6: lineages of snapshots, keys of tokens") { database in
            try database.execute(sql: version6)
        }
        migrator.registerMigration("7: trees that are counted in part") { database in
            try database.execute(sql: version7)
        }
        migrator.registerMigration("8: volumes that are being copied, reasons of failures") { database in
            try database.execute(sql: version8)
        }
        return migrator
    }

    /// A copy of a volume has no manifest of its own while it is `creating`. What it has then holds what the original
    /// has not restored, if anything.
    private static let version8 = """
        ALTER TABLE volumes ADD COLUMN failure TEXT;

        CREATE TABLE newVolumeOrigins (
            volume INTEGER PRIMARY KEY REFERENCES volumes (number),
            snapshot TEXT,
            sourceVolume TEXT,
            manifest BLOB CHECK (length(manifest) = 32),
            isRestored INTEGER NOT NULL,
            initializationRateMiBps INTEGER,
            isFastRestored INTEGER NOT NULL,
            lineage TEXT,
            CHECK ((snapshot IS NULL) <> (sourceVolume IS NULL)),
            CHECK (manifest IS NOT NULL OR sourceVolume IS NOT NULL)
        ) STRICT;
        INSERT INTO newVolumeOrigins (volume, snapshot, sourceVolume, manifest, isRestored, initializationRateMiBps,
            isFastRestored, lineage)
        SELECT volume, snapshot, sourceVolume, manifest, isRestored, initializationRateMiBps, isFastRestored, lineage
        FROM volumeOrigins;
        DROP TABLE volumeOrigins;
        ALTER TABLE newVolumeOrigins RENAME TO volumeOrigins;
        """

    /// See `PartialTree`. A row counts as one reference of its manifest.
    private static let version7 = """
        CREATE TABLE partialTrees (
            manifest BLOB NOT NULL PRIMARY KEY CHECK (length(manifest) = 32),
            segmentCount INTEGER NOT NULL CHECK (segmentCount >= 0)
        ) STRICT, WITHOUT ROWID;
        """

    /// A lineage that is NULL begins with what its row is about, or with what that came from.
    private static let version6 = """
        ALTER TABLE snapshots ADD COLUMN lineage TEXT;
        ALTER TABLE volumeOrigins ADD COLUMN lineage TEXT;

        CREATE TABLE tokenKeys (
            purpose TEXT NOT NULL PRIMARY KEY,
            bytes BLOB NOT NULL CHECK (length(bytes) = 32)
        ) STRICT, WITHOUT ROWID;
        """

    /// A pending snapshot with a base counts as one reference of that manifest.
    private static let version5 = """
        ALTER TABLE snapshots ADD COLUMN base BLOB
            CHECK (base IS NULL OR (length(base) = 32 AND state = 'pending'));

        CREATE TABLE fastRestores (
            snapshot TEXT NOT NULL,
            zone TEXT NOT NULL,
            enableTime INTEGER NOT NULL,
            enablingMilliseconds INTEGER NOT NULL,
            optimizingMilliseconds INTEGER NOT NULL,
            disablingMilliseconds INTEGER NOT NULL,
            disableTime INTEGER,
            snapshotGiB INTEGER NOT NULL CHECK (snapshotGiB > 0),
            creditUnits INTEGER NOT NULL CHECK (creditUnits >= 0),
            creditTime INTEGER NOT NULL,
            PRIMARY KEY (snapshot, zone)
        ) STRICT, WITHOUT ROWID;
        """

    /// Digests are the 32 bytes that name an object. `objects` counts, for each object of the store, the manifests,
    /// snapshots and volumes that need it: a row goes with its last reference, and a file without a row is litter.
    /// A completed snapshot, and a volume that is not restored, need their manifest.
    private static let version4 = """
        CREATE TABLE objects (
            digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
            kind TEXT NOT NULL CHECK (kind IN ('block', 'segment', 'manifest')),
            referenceCount INTEGER NOT NULL CHECK (referenceCount > 0)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE snapshots (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            region TEXT NOT NULL,
            origin TEXT NOT NULL CHECK (origin IN ('volume', 'copy', 'blocks', 'imported')),
            source TEXT,
            timeoutMinutes INTEGER,
            sizeGiB INTEGER NOT NULL CHECK (sizeGiB > 0),
            startTime INTEGER NOT NULL,
            description TEXT NOT NULL,
            tags TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('pending', 'completed', 'error')),
            isDeletionWanted INTEGER NOT NULL,
            manifest BLOB CHECK (length(manifest) = 32),
            fullSizeBytes INTEGER CHECK (fullSizeBytes >= 0),
            endTime INTEGER,
            failure TEXT,
            CHECK ((state = 'completed') = (manifest IS NOT NULL)),
            CHECK ((manifest IS NULL) = (fullSizeBytes IS NULL))
        ) STRICT;
        CREATE UNIQUE INDEX snapshotsByName ON snapshots (region, name) WHERE name <> '';

        CREATE TABLE snapshotTokens (
            token TEXT NOT NULL PRIMARY KEY,
            snapshots TEXT NOT NULL,
            parameters TEXT NOT NULL,
            time INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE volumeOrigins (
            volume INTEGER PRIMARY KEY REFERENCES volumes (number),
            snapshot TEXT,
            sourceVolume TEXT,
            manifest BLOB NOT NULL CHECK (length(manifest) = 32),
            isRestored INTEGER NOT NULL,
            initializationRateMiBps INTEGER,
            isFastRestored INTEGER NOT NULL,
            CHECK ((snapshot IS NULL) <> (sourceVolume IS NULL))
        ) STRICT;
        """

    /// `original` and `target` are `VolumeModification.Configuration` as JSON.
    private static let version2 = """
        CREATE TABLE modifications (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            volume INTEGER NOT NULL REFERENCES volumes (number),
            original TEXT NOT NULL,
            target TEXT NOT NULL,
            startTime INTEGER NOT NULL,
            modifyingMilliseconds INTEGER NOT NULL CHECK (modifyingMilliseconds >= 0),
            optimizingMilliseconds INTEGER NOT NULL CHECK (optimizingMilliseconds >= 0),
            state TEXT NOT NULL CHECK (state IN ('pending', 'effective', 'failed')),
            outcomeTime INTEGER,
            failure TEXT
        ) STRICT;
        CREATE INDEX modificationsByVolume ON modifications (volume);
        CREATE UNIQUE INDEX modificationsPending ON modifications (volume) WHERE state = 'pending';
        """

    private static let version3 = """
        ALTER TABLE instances ADD COLUMN type TEXT;

        CREATE TABLE credits (
            volume INTEGER PRIMARY KEY REFERENCES volumes (number),
            credits INTEGER NOT NULL CHECK (credits >= 0),
            time INTEGER NOT NULL
        ) STRICT;
        """

    private static let version1 = """
        CREATE TABLE instances (
            id TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            zone TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE volumes (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            zone TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('creating', 'available', 'deleting', 'error')),
            type TEXT NOT NULL,
            sizeGiB INTEGER NOT NULL CHECK (sizeGiB > 0),
            iops INTEGER,
            throughputMiBps INTEGER,
            isMultiAttachEnabled INTEGER NOT NULL,
            createTime INTEGER NOT NULL,
            tags TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX volumesByName ON volumes (name) WHERE name <> '';

        CREATE TABLE attachments (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            volume INTEGER NOT NULL REFERENCES volumes (number),
            instance TEXT NOT NULL REFERENCES instances (id),
            device TEXT NOT NULL,
            slot TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('attaching', 'attached', 'detaching')),
            attachTime INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX attachmentsByVolume ON attachments (volume);
        CREATE UNIQUE INDEX attachmentsBySlot ON attachments (instance, slot) WHERE state <> 'detaching';
        CREATE UNIQUE INDEX attachmentsByPair ON attachments (volume, instance) WHERE state <> 'detaching';

        CREATE TABLE clientTokens (
            token TEXT NOT NULL PRIMARY KEY,
            volume TEXT NOT NULL,
            parameters TEXT NOT NULL,
            time INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """
}
