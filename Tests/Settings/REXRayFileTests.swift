import Settings
import Testing

/// REX-Ray's configuration files, as their guides show them.
@Suite struct REXRayFileTests {
    @Test func `a file of 0.3 is understood`() throws {
        let settings = try loadSettings(
            file: """
                rexray:
                  logLevel: warn
                  host: tcp://:7979
                  osDrivers:
                  - linux
                  storageDrivers:
                  - ec2
                  volumeDrivers: [docker]
                  volume:
                    mount:
                      preempt: true
                    unmount: {ignoreUsedCount: false}
                    remove:
                      disable: true
                    path: {disableCache: true}
                docker:
                  size: 8
                  iops: ""
                  volumeType: gp2
                  fsType: xfs
                aws:
                  accessKey: AKIDEXAMPLE
                  secretKey: "a#b c"   # a secret
                  region: eu-west-1
                  rexrayTag: team 1
                """)
        #expect(settings.driver == .ec2)
        #expect(settings.logLevel == "warn")
        #expect(settings.mountPreempt)
        #expect(settings.dockerRemove == "ignore")
        #expect(settings.dockerCreate == "allow")
        #expect(settings.volumeSizeGiB == 8)
        #expect(settings.volumeIops == nil)
        #expect(settings.volumeType == "gp2")
        #expect(settings.fsType == "xfs")
        #expect(settings.awsAccessKey?.id == "AKIDEXAMPLE")
        #expect(settings.awsAccessKey?.secret == "a#b c")
        #expect(settings.region == "eu-west-1")
        #expect(settings.ec2Tag?.key == "rexraySet")
        #expect(settings.ec2Tag?.value == "team 1")
        // Containers find what REX-Ray showed them, under its name.
        #expect(settings.dockerNames == ["ebb", "rexray"])
        #expect(settings.volumeRootPath == "/data")
        let places = settings.notices.map { String($0.drop { $0 != ":" }.prefix { $0 != ";" }) }
        #expect(
            places == [
                ":3: rexray.host has no effect: the daemon answers on a Unix socket alone, see the setting socket",
                ":4: rexray.osDrivers has no effect: there is one, and it is always there",
                ":8: rexray.volumeDrivers has no effect: there is one, and it is always there",
                ":12: rexray.volume.unmount.ignoreUsedCount has no effect: uses are counted per container, and written "
                    + "down, so that the count is right",
                ":15: rexray.volume.path.disableCache has no effect: nothing is cached that could be wrong",
            ])
    }

    @Test func `a file of 0.11 is understood, and the driver's last name comes first`() throws {
        let settings = try loadSettings(
            file: """
                libstorage:
                  service: ebs
                  host: unix:///var/run/libstorage/localhost.sock
                  device:
                    attachTimeout: 45s
                  integration:
                    volume:
                      operations:
                        create: {disable: true, default: {size: 20, type: gp3, iops: 4000, fsType: xfs}}
                        mount:
                          preempt: true
                          rootPath: /
                        path:
                          cache: {enabled: true, async: true}
                  server:
                    services:
                      ebs:
                        driver: ebs
                        aws:
                          region: us-west-2
                rexray:
                  modules:
                    default-docker:
                      type: docker
                      desc: The default docker module.
                      host: unix:///run/docker/plugins/rexray.sock
                      spec: /etc/docker/plugins/rexray.spec
                    second:
                      type: docker
                      libstorage: {integration: {volume: {operations: {mount: {preempt: false}}}}}
                    off: {type: docker, disabled: true}
                    default-admin: {type: admin, host: "tcp://127.0.0.1:7979"}
                ec2: {accessKey: old, secretKey: old, endpoint: http://127.0.0.1:9}
                aws: {accessKey: newer, secretKey: newer}
                EBS:
                  AccessKey: newest
                  secretKey: 'it''s'
                  endpoint: ec2.us-west-2.amazonaws.com
                  kmsKeyID: arn:aws:kms:us-east-1:012345678910:key/abcd
                  maxRetries: 10
                  statusTimeout: 2m
                  tag: prefix
                """)
        #expect(settings.driver == .ec2)
        #expect(settings.dockerNames == ["ebb", "rexray", "second"])
        #expect(settings.volumeRootPath == nil)
        #expect(settings.mountPreempt)
        #expect(settings.dockerCreate == "ignore")
        #expect(settings.volumeSizeGiB == 20)
        #expect(settings.volumeType == "gp3")
        #expect(settings.volumeIops == 4000)
        #expect(settings.fsType == "xfs")
        #expect(settings.attachTimeout == .seconds(120))
        #expect(settings.region == "us-west-2")
        #expect(settings.awsAccessKey?.id == "newest")
        #expect(settings.awsAccessKey?.secret == "it's")
        #expect(settings.ec2Endpoint == "https://ec2.us-west-2.amazonaws.com")
        #expect(settings.ec2KmsKey == "arn:aws:kms:us-east-1:012345678910:key/abcd")
        let idle = settings.notices.compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) }
        #expect(
            idle == [
                "libstorage.host", "libstorage.integration.volume.operations.path.cache.enabled",
                "libstorage.integration.volume.operations.path.cache.async", "rexray.modules.default-docker.spec",
                "rexray.modules.second.libstorage.integration.volume.operations.mount.preempt", "EBS.maxRetries",
                "EBS.tag", "rexray.modules.default-admin",
            ])
    }

    /// libStorage looks for a key in the service that is used first, then outwards.
    @Test(arguments: [
        ("libstorage: {service: a, server: {services: {a: {driver: ebs}}}}", "ec2", "us-east-1"),
        ("libstorage: {server: {services: {a: {driver: ec2, aws: {region: us-west-2}}}}}", "ec2", "us-west-2"),
        ("libstorage: {service: ebs}\naws: {region: us-west-1}", "ec2", "us-west-1"),
        ("libstorage: {server: {libstorage: {storage: {driver: ebs}}, ebs: {region: us-west-3}}}", "ec2", "us-west-3"),
        (
            """
            aws: {region: us-east-9}
            libstorage:
              server:
                aws: {region: us-east-8}
                services:
                  b: {driver: ec2, aws: {region: us-west-2}}
                  a: {driver: emulator, aws: {region: us-west-1}}
              service: B
            """, "ec2", "us-west-2"
        ),
        (
            """
            rexray: {modules: {default-docker: {libstorage: {service: b}}}}
            libstorage: {service: a, server: {services: {a: {driver: emulator}, b: {driver: ebs, ebs: {region: b-1}}}}}
            """, "ec2", "b-1"
        ),
        (
            "libstorage: {service: a, server: {services: {a: {driver: ebs, aws: {region: a-1}}}}}\nebs: {region: b-1}",
            "ec2", "b-1"
        ),
        (
            "rexray: {modules: {default-docker: {libstorage: {service: ebs}, ebs: {region: a}}}}\nebs: {region: b}",
            "ec2", "a"
        ),
    ])
    func `the service that is used says most`(file: String, driver: String, region: String) throws {
        let settings = try loadSettings(file: file)
        #expect(settings.driver.rawValue == driver)
        #expect(settings.region == region)
    }

    @Test(arguments: [
        "libstorage: {integration: {volume: {mount: {preempt: true}}}}",
        "libstorage: {server: {logging: {level: debug}}}",
        "libstorage: {service: a, server: {services: {a: {driver: ebs, auth: {key: x, allow: [y]}}}}}",
        "libstorage: {service: ebs, tls: insecure}\nscaleio: {endpoint: x, insecure: true}\nefs: {region: x}",
    ])
    func `what the guides show is taken`(file: String) throws {
        _ = try loadSettings(file: file)
    }

    @Test func `a service has a driver`() throws {
        let file = "libstorage: {server: {services: {ebs: {ebs: {region: us-east-1}}}}}"
        let error = try #require(throws: SettingsError.self) { try loadSettings(file: file) }
        #expect(error.description.hasSuffix(": the service ebs has no driver"))
    }

    @Test func `of two services the file has to say which`() throws {
        let file = "libstorage:\n  server:\n    services:\n      a: {driver: ebs}\n      b: {driver: ebs}\n"
        let error = try #require(throws: SettingsError.self) { try loadSettings(file: file) }
        #expect(error.description.contains(":5: a second service; libstorage.service has to say which is used"))
    }

    @Test(arguments: [
        ("rexray: {logLevel: warn}", "ebb rexray"),
        ("rexray: {modules: {vb2: {type: docker}}}", "ebb rexray vb2"),
        ("rexray: {modules: {default-docker: {disabled: true}}}", "ebb"),
        ("rexray: {modules: {default-docker: {host: unix:///run/docker/plugins/ebb.sock}}}", "ebb"),
        ("rexray: {modules: {a: {type: docker, host: unix:///x/b.sock}, c: {type: admin}}}", "ebb b rexray"),
    ])
    func `Docker's names are those of the modules`(file: String, names: String) throws {
        let settings = try loadSettings(file: file)
        #expect(Set(settings.dockerNames) == Set(names.split(separator: " ").map(String.init)))
        #expect(settings.notices.count == (file.contains("admin") ? 1 : 0))
    }

    @Test(arguments: [
        ("ebs: {statusTimeout: 1m30s}", "attachTimeout", "90s"),
        ("ebs: {statusTimeout: 2m0s}", "attachTimeout", "120s"),
        ("ebs: {statusTimeout: 20m}", "attachTimeout", "1200s"),
        ("ebs: {statusTimeout: 1s500ms}", "attachTimeout", "1500ms"),
        ("docker: {iops: 0}", "volumeIops", ""), ("docker: {iops: 100}", "volumeIops", "100"),
        (
            "volume: {mount: {preempt: true}}\nlibstorage: {integration: {volume: {operations: {mount: {preempt: false}}}}}",
            "mountPreempt", "false"
        ),
        ("aws: {accessKey: ~, secretKey: null}", "awsAccessKey", ""),
        ("\u{FEFF}region: x", "region", "x"),
        ("# a\r\nregion: x\r\nfsType: xfs\r\n", "fsType", "xfs"),
        ("aws: {region: 'a'',b', tag: \"]\"}", "region", "a',b"),
        ("aws: {region: a, rexrayTag: 'b}', kmsKeyID: \"c, d\"}", "ec2KmsKey", "c, d"),
    ])
    func `a value is what REX-Ray took it for`(file: String, key: String, text: String) throws {
        let setting = try #require(Setting.named(key))
        #expect(try loadSettings(file: file)[setting].text == text)
    }

    @Test(arguments: [
        ("libstorage: {servce: ebs}", ":1: unknown setting libstorage.servce"),
        ("aws: {accessKey: $KEY, secretKey: x}", ":1: aws.accessKey names a variable; write what stands in it"),
        ("ebs: {statusTimeout: soon}", ":1: attachTimeout is soon, but must be a time"),
        ("rexray: {modules: {default-docker: {disabled: maybe}}}", "disabled must be true or false"),
        ("dockerNames:\n  - name: x", ":2: a value with a colon; quote it"),
        ("dockerNames:\n  - - a", ":2: a list within a list"),
        ("region: \"a\" b\"", ":1: a quote within a quoted value"),
        ("region: 'a' b'", ":1: a quote within a quoted value"),
    ])
    func `what cannot be meant is refused`(file: String, text: String) throws {
        let error = try #require(throws: SettingsError.self) { try loadSettings(file: file) }
        #expect(error.description.contains(text))
    }

    @Test func `the zone is the instance's in EC2`() throws {
        let settings = try loadSettings(file: "storageDrivers: ec2\ndocker: {availabilityZone: us-east-1c}")
        #expect(
            settings.notices.count == 1
                && settings.notices[0].hasSuffix(":2: zone has no effect: in EC2 it is the instance's"))
    }

    @Test func `Ebb's own names come before REX-Ray's, and both may stand in one file`() throws {
        let settings = try loadSettings(
            file: """
                rexray: {logLevel: warn, storageDrivers: [ec2]}
                logLevel: debug
                dockerNames: ebb
                volumeRootPath: /srv/data/
                aws: {accessKey: , secretKey: , region: "", rexrayTag: }
                """)
        #expect(settings.logLevel == "debug")
        #expect(settings.dockerNames == ["ebb"])
        #expect(settings.volumeRootPath == "/srv/data")
        #expect(settings.awsAccessKey == nil)
        #expect(settings[.region].origin == .builtIn)
        #expect(settings.notices.isEmpty)
    }

    @Test func `a file of Ebb's own with a key of REX-Ray's is not taken for REX-Ray's`() throws {
        let settings = try loadSettings(file: "storageDrivers: [ec2]\nebs:\n  region: us-west-1\n")
        #expect(settings.driver == .ec2)
        #expect(settings.region == "us-west-1")
        #expect(settings.dockerNames == ["ebb"])
        #expect(settings.volumeRootPath == nil)
    }

    @Test func `a file that says to use the whole volume is believed`() throws {
        let settings = try loadSettings(file: "rexray: {logLevel: info}\nlinux: {volume: {rootPath: \"\"}}")
        #expect(settings.volumeRootPath == nil)
        #expect(settings.dockerNames == ["ebb", "rexray"])
    }

    @Test func `a secret is shown to nobody, and not taken from a command line`() throws {
        let settings = try loadSettings(file: "awsAccessKey: AKIDEXAMPLE\nawsSecretKey: hush")
        #expect(settings[.awsSecretKey].shown == "******")
        #expect(settings[.awsAccessKey].shown == "******")
        #expect(try loadSettings(file: "")[.awsSecretKey].shown == "")
        for flag in ["--aws-secret-key", "--awsSecretKey=hush", "--awsaccesskey"] {
            let error = try #require(throws: SettingsError.self) { try SettingFlags([flag, "hush"]) }
            #expect(error.isUsage)
            #expect(!error.description.contains("hush ") && error.description.contains("EBB_AWS_"))
        }
    }

    @Test(arguments: [
        "aws:\n  secretKey: hush\n  hush hush", "aws:\n  secretKey: hush\n  secretKey: hush",
        "aws: {secretKey: hush, hush", "aws: {region: us-east-1 secretKey: hush}", "driver: ec2 awsSecretKey: hush",
        "logLevel: info awsSecretKey: hush", "logLevel: info\r\nawsSecretKey: hush\r\n",
        "aws: {secretKey: hush: hush}\naccess: hush", "aws: {secretKey: [hush, hush]}",
    ])
    func `no error repeats a secret`(file: String) throws {
        let error = try #require(throws: SettingsError.self) { try loadSettings(file: file) }
        #expect(!error.description.contains("hush"), "\(error)")
    }
}
