// Runs the program in Node: `node host.mjs wasm.wasm`. In a page the same works with `fetch` in place of `readFile`.
import { readFile } from "node:fs/promises";

const IDLE = -1;
const ENDED = -2;

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), {
  host: {
    now: () => Math.floor(performance.now()) >>> 0,
    print: (text, length) => {
      const bytes = new Uint8Array(instance.exports.memory.buffer, text, length);
      console.log(new TextDecoder().decode(bytes));
    },
    wake: () => turnIn(0),
  },
});

let next;

function turnIn(milliseconds) {
  clearTimeout(next);
  next = setTimeout(turn, milliseconds);
}

function turn() {
  const attention = instance.exports.turn();
  if (attention !== IDLE && attention !== ENDED) {
    turnIn(attention);
  }
}

instance.exports.start();
turn();
