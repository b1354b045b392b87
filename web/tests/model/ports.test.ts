import { describe, expect, it } from "vitest";
import loop from "../../../workflows/feedback-loop.json?raw";
import { fits, itemType, outputType, portsOf } from "../../src/model/ports";
import { parseRecipe, type Recipe } from "../../src/model/recipe";
import { input, known, nodeType, recipe } from "./help";

const image = input("image", ["Image", "Mask"]);
const images = input("images", ["Image", "list[Image]"], { type: "Image | list[Image]", many: true });
const anything = input("value", ["Image"], { type: "T | None" });

describe("what fits", () => {
  it("is what the server says, and what is not known before the run", () => {
    expect(fits(image, "Mask")).toBe("one");
    expect(fits(image, "Latent")).toBeNull();
    expect(fits(image, "any")).toBe("one");
    expect(fits(image, "Image | Mask")).toBe("one");
    expect(fits(image, "Image | Latent")).toBeNull();
    expect(fits(anything, "list[list[Strange]]")).toBe("one");
  });

  it("into a list: an item, or a whole list", () => {
    expect(fits(images, "Image")).toBe("item");
    expect(fits(images, "list[Image]")).toBe("one");
    expect(fits(images, "Latent")).toBeNull();
    expect(itemType("list[list[Image]]")).toBe("list[Image]");
  });

  it("at a mapped port: a list of what it takes, or one item of that list", () => {
    const node = { op: "test/x@1", each: ["image"] };
    expect(fits(image, "list[Mask]", node)).toBe("one");
    expect(fits(image, "Mask", node)).toBe("item");
    expect(fits(image, "list[Latent]", node)).toBeNull();
  });
});

describe("types of outputs", () => {
  const types = known(
    nodeType("test/src@1", [], { out: "Image" }),
    nodeType(
      "test/pick@1",
      [input("first", ["Image"], { type: "T | None" }), input("list", [], { type: "list[T]", many: true })],
      { value: "T", values: "list[T]" },
    ),
  );
  const of = (r: Recipe, text: string) => {
    const [node = "", port = ""] = text.split(".");
    return outputType(r, [], { node, port }, types);
  };

  it("follow what is linked where the op leaves it open", () => {
    expect(of(recipe({ src: "", pick: "src.out -> first" }), "pick.value")).toBe("Image");
    expect(of(recipe({ src: "", pick: "src.out -> first" }), "pick.values")).toBe("list[Image]");
    expect(of(recipe({ src: "", pick: "src.out -> list[]" }), "pick.value")).toBe("Image");
    expect(of(recipe({ pick: 'first="x"' }), "pick.value")).toBe("str");
    expect(of(recipe({ pick: "" }), "pick.value")).toBe("any");
  });

  it("are lists of mapped nodes; circles end", () => {
    const mapped = recipe({ src: "" });
    const listed = { ...mapped, nodes: { src: { op: "test/src@1", each: ["seed"] } } };
    expect(of(listed, "src.out")).toBe("list[Image]");
    expect(of(recipe({ pick: "pick.value -> first" }), "pick.value")).toBe("any");
    const own: Recipe = {
      nodes: { a: { op: "workflow:d" } },
      definitions: { d: { nodes: { a: { op: "workflow:d" } }, outputs: { o: "a.o" } } },
    };
    expect(of(own, "a.o")).toBe("any");
  });
});

describe("ports", () => {
  it("of an op that is not installed are what is written", () => {
    const r = recipe(
      { odd: "a.out -> x, a.out -> y[]; n=3", a: "", b: "odd.result -> in" },
      { inputs: { q: { to: ["odd.q"] } } },
    );
    const ports = portsOf(r, [], "odd", r.nodes.odd ?? { op: "" }, known());
    expect(ports.unknown).toBe(true);
    expect(ports.inputs.map((p) => [p.name, p.link_only, p.many])).toEqual([
      ["x", true, false],
      ["y", true, true],
      ["n", false, false],
      ["q", false, false],
    ]);
    expect(ports.outputs.map((p) => p.name)).toEqual(["result"]);
  });

  it("of a loop are its own and those of what it runs", () => {
    const r = parseRecipe(loop);
    const types = known(
      nodeType(
        "flow/repeat@1",
        [input("body", ["Body"]), input("count", ["int"])],
        {},
        { body: true, body_port: "body" },
      ),
      nodeType("diffusion/decode@1", [input("vae", ["Vae"])], { image: "Image" }),
      nodeType("diffusion/encode_image@1", [input("vae", ["Vae"]), input("image", ["Image"])], { latent: "Latent" }),
    );
    const ports = portsOf(r, [], "loop", r.nodes.loop ?? { op: "" }, types);
    expect(ports.definition).toBe("turn");
    expect(ports.inputs.map((p) => p.name)).toEqual([
      "body",
      "count",
      "frames",
      "last",
      "index",
      "model",
      "vae",
      "positive",
      "negative",
    ]);
    expect(ports.inputs.find((p) => p.name === "vae")?.accepts).toContain("Vae");
    expect(ports.outputs.map((p) => [p.name, p.type])).toEqual([
      ["last", "Image"],
      ["frames", "any"],
    ]);
  });
});
