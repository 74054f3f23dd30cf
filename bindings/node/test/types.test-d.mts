// Compiled and not run: what TypeScript must accept, and what it must refuse.
import { Client, RateLimitError, TierwayError, type ChatCompletionChunk, type Explanation } from "../index.mjs";

const client = new Client({ keys: { openai: "sk" }, router: { quality: 0.9 } });
const reply = await client.chat.completions.create({ messages: [{ role: "user", content: "x" }] });
const text: string | null = reply.choices[0]!.message.content;
const cost: string = reply.tierway.cost;
for await (const chunk of await client.chat.completions.create({ messages: [], stream: true })) {
  const piece: ChatCompletionChunk = chunk;
  void piece;
}
const plan: Explanation = client.route({ messages: [{ role: "user", content: "x" }] });
const own = await client.send({ messages: [{ role: "user", parts: [{ type: "text", text: "x" }] }] });
const tokens: number | null | undefined = own.reply.usage?.input;
const web: ReadableStream<unknown> = (await client.stream({ messages: [] })).toReadableStream();
new Client({ providers: { house: (call) => ({ text: call.model }) }, checks: [(_, answer) => answer.parts !== undefined] });
const failed: TierwayError | undefined = [] as never as RateLimitError;
// @ts-expect-error the model is a text
await client.chat.completions.create({ messages: [], model: 7 });
// @ts-expect-error a reply has no such field
reply.nonsense;
void [text, cost, plan, tokens, web, failed];
