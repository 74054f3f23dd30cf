// What must hold in every runtime: a call, a stream, an error, a provider. Run by Node, Bun and Deno.
import { Client, InvalidRequestError } from "../index.mjs";
import { ASK, COST, TEXT, balanced, settings } from "./fixture.mjs";

function must(holds, what) {
  if (!holds) throw new Error(what);
}

const client = new Client(settings());
const reply = await client.chat.completions.create({ messages: ASK });
must(reply.tierway.cost === COST, "a call");
let text = "";
for await (const chunk of await client.chat.completions.create({ messages: ASK, stream: true })) {
  text += chunk.choices[0].delta.content ?? "";
}
must(text === TEXT, "a stream");
const caught = await client.chat.completions.create({ messages: [] }).catch((error) => error);
must(caught instanceof InvalidRequestError && caught.field === "messages", "an error");
const own = new Client({ ...settings(), testing: {}, providers: { house: async () => ({ text: "own" }) } });
must((await own.chat.completions.create({ messages: ASK })).choices[0].message.content === "own", "a provider");
await balanced(client, 2);
await client.close();
console.log("smoke: 5 checks passed");
