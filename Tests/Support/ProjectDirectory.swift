import SystemPackage

/// The package, as the compiler saw it.
public let projectDirectory: FilePath = {
    var path = FilePath(#filePath)
    for _ in 1...3 { path.removeLastComponent() }
    return path
}()
