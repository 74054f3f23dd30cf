# The library for phones: what is generated from it runs the shared cases in Python, Kotlin and Swift; as it is shipped it is
# held to its sizes, and the Maven artefact and the Swift package are used from bare projects.
mobile_suites() {
    local mobile=$root/bindings/mobile made=$root/target/mobile
    if python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
        suite mobile-build "$mobile/generate" python "$made-python"
        suite mobile-python python3 "$mobile/python/run_cases.py" "$made-python/generated"
    else
        missing mobile-python "Python 3.9 or later is not here (210 cases)"
    fi
    if [ "$(uname)" = Linux ]; then
        suite mobile-sizes "$mobile/sizes" "$made-python/generated"
    else
        missing mobile-sizes "sizes are measured on Linux"
    fi
    if command -v mvn >/dev/null && mvn -v 2>/dev/null | grep -E 'Java version: (1[1-9]|[2-9][0-9])' >/dev/null; then
        # By itself and perhaps twice, since it fetches.
        suite mobile-kotlin-build again mvn -B -ntp -q -f "$mobile/kotlin/pom.xml" test-compile
        suite mobile-kotlin mvn -B -ntp -f "$mobile/kotlin/pom.xml" test
        suite mobile-packed "$mobile/kotlin/packed.sh" "$made-packed" "$made-kotlin/native"/libtierway_mobile.*
    else
        missing mobile-kotlin "Maven and a JDK of 11 or later are not here (210 cases and the library's tests)"
    fi
    if swift --version 2>/dev/null | grep "Swift version" >/dev/null; then
        suite mobile-swift "$mobile/swift/test.sh"
        suite mobile-swift-packed "$mobile/swift/packed.sh" "$made-swift/packed" "$made-swift"
    else
        missing mobile-swift "Swift is not here (210 cases and the package's tests)"
    fi
}
mobile_suites
