// What a client does without a network.
package io.github.tierway

import java.io.File
import java.nio.file.Path
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class OutboxTest {
    @Test
    fun `requests wait for a network, through a restart, and are answered in order`(@TempDir folder: Path) {
        val plan = Offline.Queue(File(folder.toFile(), "outbox.jsonl").path)
        Client(settings(), offline = plan).use { client ->
            client.isOnline = false
            assertThrows(OfflineException::class.java) { runBlocking { client.send(QUESTION) } }
            runBlocking {
                assertEquals(Submitted.Queued(1), client.submit(QUESTION))
                assertEquals(Submitted.Queued(2), client.submit(ask("And the sea?")))
            }
            val empty = RequestDraft()
            assertThrows(InvalidRequestException::class.java) { runBlocking { client.submit(empty) } }
        }
        Client(settings(), offline = plan).use { client ->
            assertEquals(listOf(1L to Letter.State.WAITING, 2L to Letter.State.WAITING), client.letters().map { it.id to it.state })
            val answered = runBlocking { client.deliver() }
            assertEquals(listOf(1L to TEXT, 2L to TEXT), answered.map { it.id to it.response?.text })
            client.forget(1)
            assertEquals(listOf(2L to Letter.State.ANSWERED), client.letters().map { it.id to it.state })
            assertThrows(OutboxException::class.java) { client.retry(2) }
            assertEquals(true, runBlocking { client.submit(QUESTION) } is Submitted.Answered)
        }
    }

    @Test
    fun `a request that failed says why and is sent again when told`(@TempDir folder: Path) {
        val plan = Offline.Queue(File(folder.toFile(), "outbox.jsonl").path)
        Client(settings("""{"fault": {"kind": "status", "status": 401}}"""), offline = plan).use { client ->
            client.isOnline = false
            runBlocking { client.submit(QUESTION) }
            client.isOnline = true
            val failed = runBlocking { client.deliver() }.single()
            assertEquals(Letter.State.FAILED to "auth", failed.state to failed.failure?.code)
            client.retry(failed.id)
            assertEquals(Letter.State.WAITING, client.letters().single().state)
        }
    }

    @Test
    fun `without a network only the device sees a request`() {
        Client(settings(null), mapOf("house" to Provider { Reply(TEXT) }), offline = Offline.Local).use { client ->
            client.isOnline = false
            assertThrows(RefusedException::class.java) { runBlocking { client.send(QUESTION) } }
            client.isOnline = true
            assertEquals(TEXT, runBlocking { client.send(QUESTION) }.text)
        }
    }

    @Test
    fun `an account in a file is there again`(@TempDir folder: Path) {
        val more = """{"ledger": {"path": "${File(folder.toFile(), "tierway.db").path}"}}"""
        Client(settings(more = more)).use { client -> runBlocking { client.send(QUESTION) } }
        Client(settings(more = more)).use { client ->
            assertEquals(Usd(COST), runBlocking { client.report() }.total.cost)
        }
    }
}
