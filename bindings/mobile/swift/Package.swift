// swift-tools-version: 5.9
import Foundation
import PackageDescription

// For Apple's platforms the library comes as a framework (xcframework.sh makes it); elsewhere the linker finds it.
let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
let hasFramework = FileManager.default.fileExists(atPath: here.appendingPathComponent("TierwayFFI.xcframework").path)
let native: Target = hasFramework
    ? .binaryTarget(name: "TierwayFFI", path: "TierwayFFI.xcframework")
    : .systemLibrary(name: "TierwayFFI")

// Every data race that the compiler can find is a warning, and the tests take none.
let strict: [SwiftSetting] = [.enableExperimentalFeature("StrictConcurrency")]

let package = Package(
    name: "Tierway",
    platforms: [.macOS(.v12), .iOS(.v15), .tvOS(.v15), .watchOS(.v8)],
    products: [.library(name: "Tierway", targets: ["Tierway"])],
    targets: [
        native,
        .target(name: "TierwayCore", dependencies: ["TierwayFFI"], exclude: ["README.md"]),
        .target(name: "Tierway", dependencies: ["TierwayCore"], swiftSettings: strict),
        .testTarget(name: "TierwayTests", dependencies: ["Tierway"], swiftSettings: strict),
    ]
)
