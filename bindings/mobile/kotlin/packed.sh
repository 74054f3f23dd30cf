#!/usr/bin/env bash
# packed.sh WORK LIBRARY: packs the Kotlin library with a shipped native half, installs it into a Maven repository of WORK's own,
# and runs the README's example from a bare project, which names it by its coordinates, against a vendor server on loopback.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd) library=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
rm -rf "$work"/{natives,bare} && mkdir -p "$work/natives" "$work/bare/src/main/kotlin"
# What Maven has fetched is there already; what is installed here stays here.
repository=$work/repository
if [ ! -d "$repository" ]; then
    mkdir -p "$HOME/.m2/repository"
    cp -al "$HOME/.m2/repository" "$repository" 2>/dev/null || cp -a "$HOME/.m2/repository" "$repository"
fi
rm -rf "$repository/io/github/tierway"
# A second time where it failed: it may fetch.
maven() { mvn -B -q -ntp -Dmaven.repo.local="$repository" "$@" || { sleep 10; mvn -B -q -ntp -Dmaven.repo.local="$repository" "$@"; }; }
# As JNA names its folders.
platform=linux-$(uname -m | tr _ - | sed 's/arm64/aarch64/')
[ "$(uname)" = Darwin ] && platform=darwin-$(uname -m | tr _ - | sed 's/arm64/aarch64/')
mkdir -p "$work/natives/$platform"
cp "$library" "$work/natives/$platform/libtierway_mobile.${library##*.}"
# What its tests compiled is packed as it is; only where there is nothing yet is it compiled.
classes=$root/target/mobile-kotlin/maven/classes/io
[ -d "$classes" ] || maven -f "$here/pom.xml" compile
maven -f "$here/pom.xml" resources:resources jar:jar install:install -Dtierway.natives="$work/natives"
jar=$(find "$repository/io/github/tierway" -name '*.jar')
echo "$(basename "$jar"): $(wc -c <"$jar") bytes"

cd "$work/bare"
# fenced LANGUAGE: the README's first block of it.
fenced() { awk -v open="\`\`\`$1" '$0 == open { if (!done) inside = 1; next } /^```$/ { if (inside) done = 1; inside = 0 } inside' "$here/../README.md"; }
fenced kotlin >src/main/kotlin/Main.kt
grep -q 'Client()' src/main/kotlin/Main.kt
cat >pom.xml <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>bare</artifactId>
  <version>1</version>
  <properties><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
  <dependencies>
$(fenced xml)
  </dependencies>
  <build>
    <sourceDirectory>src/main/kotlin</sourceDirectory>
    <plugins>
      <plugin>
        <groupId>org.jetbrains.kotlin</groupId>
        <artifactId>kotlin-maven-plugin</artifactId>
        <version>2.1.21</version>
        <executions><execution><goals><goal>compile</goal></goals></execution></executions>
      </plugin>
      <plugin>
        <groupId>org.codehaus.mojo</groupId>
        <artifactId>exec-maven-plugin</artifactId>
        <version>3.5.0</version>
        <configuration><mainClass>MainKt</mainClass></configuration>
      </plugin>
    </plugins>
  </build>
</project>
POM
maven compile
python3 "$root/scripts/with_loopback.py" --key DEEPSEEK_API_KEY --endpoint deepseek mvn -B -q -ntp -Dmaven.repo.local="$repository" exec:java | tee said
grep -q 'Short waves scatter more.' said
grep -q 'deepseek/' said
echo "1 passed, 0 failed"
