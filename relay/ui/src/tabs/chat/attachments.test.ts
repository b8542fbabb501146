import { expect, test } from "vitest";
import { attach, contentOf, quoted } from "./attachments";

const file = (name: string, type: string, ...parts: BlobPart[]) => new File(parts, name, { type });

test("pictures are kept as they are, texts are quoted under their names", async () => {
  const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => at % 256);
  const { images, texts, refused } = await attach([file("a.png", "image/png", bytes), file("b.py", "", "x = 1\n")], 0);
  expect(images.map(({ name, mediaType }) => [name, mediaType])).toEqual([["a.png", "image/png"]]);
  expect(Buffer.from(images[0]?.data ?? "", "base64").equals(Buffer.from(bytes))).toBe(true);
  expect(texts).toEqual(["b.py:\n```\nx = 1\n```"]);
  expect(refused).toEqual([]);
});

test.each([
  ["too many pictures", file("a.png", "image/png", "x"), 2],
  ["a picture too large", file("a.png", "image/png", new Uint8Array(3_500_001)), 0],
  ["a text too large", file("a.txt", "text/plain", "x".repeat(256 * 1024 + 1)), 0],
  ["what is neither", file("a.zip", "application/zip", new Uint8Array([0xff, 0xfe, 0x80])), 0],
])("%s is refused by name", async (_, given, had) => {
  const { images, texts, refused } = await attach([given], had);
  expect([images, texts, refused.length]).toEqual([[], [], 1]);
  expect(refused[0]).toContain(given.name);
});

test("a text that has fences itself is fenced by more", () => {
  expect(quoted("a.md", "````js\n1\n````")).toBe("a.md:\n`````\n````js\n1\n````\n`````");
});

test("without pictures a message is its text", () => {
  const image = { name: "a", mediaType: "image/png", data: "eA==" };
  const block = { type: "image", source: { type: "base64", media_type: "image/png", data: "eA==" } };
  expect(contentOf("hi", [])).toBe("hi");
  expect(contentOf("hi", [image])).toEqual([block, { type: "text", text: "hi" }]);
  expect(contentOf("", [image])).toEqual([block]);
});
