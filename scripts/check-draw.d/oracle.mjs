// Writes cases (`seed count index`, one a line) and the positions that the foreign shuffle
// gives for them. All cases follow from one number, so that a difference can be replayed.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { ComputeShuffledIndex, shuffleList, unshuffleList } from "@chainsafe/swap-or-not-shuffle";

const ROUNDS = 90;
const [, , seed, casesPath, expectedPath] = process.argv;

let drawn = 0;
const bytes = () => createHash("sha256").update(`${seed} ${drawn++}`).digest();
const below = (bound) => Number(bytes().readBigUInt64LE() % BigInt(bound));

const cases = [];
const expected = [];
const add = (seed, count, index, position) => {
  cases.push(`${seed.toString("hex")} ${count} ${index}`);
  expected.push(position);
};

// Single places, in lobbies of every size up to the most that a room issues: as many
// small as large ones, and sizes next to the blocks of 256 that the shuffle reads.
for (let at = 0; at < 5000; at++) {
  const lobby = bytes();
  const size = 2 + below(26);
  let count = 1 + below(2 ** size);
  if (at % 5 === 0) count = Math.max(1, 256 * (1 + below(4000)) + (at % 3) - 1);
  count = Math.min(count, 100_000_000);
  const index = at % 7 === 0 ? count - 1 : below(count);
  add(lobby, count, index, new ComputeShuffledIndex(lobby, count, ROUNDS).get(index));
}

// Whole lists, by the package's other algorithm, which swaps a list in place. Its "unshuffled"
// list holds at each index the place of that index.
for (let at = 0; at < 40; at++) {
  const lobby = bytes();
  const count = at === 0 ? 1 : 2 + below(600);
  const indices = Uint32Array.from({ length: count }, (_, index) => index);
  const list = unshuffleList(indices, lobby, ROUNDS);
  const back = shuffleList(indices, lobby, ROUNDS);
  for (let index = 0; index < count; index++) {
    if (list[back[index]] !== index) throw new Error("the oracle contradicts itself");
  }
  list.forEach((place, index) => add(lobby, count, index, place));
}

writeFileSync(casesPath, cases.join("\n") + "\n");
writeFileSync(expectedPath, expected.join("\n") + "\n");
