import { expect, test } from "vitest";
import { contentImages, imageBlob } from "./images";

const block = (mediaType: string, data = "aGk=") => ({ type: "image", source: { type: "base64", media_type: mediaType, data } });

test("the four kinds of images are taken, in order, between other blocks", () => {
  const content = [{ type: "text", text: "x" }, block("image/png"), block("image/webp")];
  expect(contentImages(content).map((image) => image.type)).toEqual(["image/png", "image/webp"]);
});

test.each([
  ["what can run", [block("image/svg+xml")]],
  ["what is elsewhere", [{ type: "image", source: { type: "url", url: "https://example.org/a.png" } }]],
  ["other types", [block("text/html")]],
  ["no list", "text"],
  ["broken blocks", [null, 7, { type: "image" }, { type: "image", source: "x" }]],
])("%s is not", (_, content) => {
  expect(contentImages(content)).toEqual([]);
});

test("what is no base64 is no image", async () => {
  expect(imageBlob({ type: "image/png", base64: "%%%" })).toBeUndefined();
  const blob = imageBlob({ type: "image/png", base64: "aGk=" });
  expect(blob?.type).toBe("image/png");
  expect(await blob?.text()).toBe("hi");
});
