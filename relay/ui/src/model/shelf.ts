/**
 * A list to which items are added, and in which they are replaced by others of the same key. Copies and views of it
 * share the array until one of them writes; all copies share the index, since a fold of the same events puts the same
 * keys at the same places.
 */
export class Shelf<Item extends { readonly key: string }> {
  #items: Item[] = [];
  #index = new Map<string, number>();
  #shared = false;

  get length(): number {
    return this.#items.length;
  }

  get last(): Item | undefined {
    return this.#items.at(-1);
  }

  get(key: string): Item | undefined {
    const place = this.#index.get(key);
    const item = place === undefined ? undefined : this.#items[place];
    return item?.key === key ? item : undefined; // another copy may be further on
  }

  /** Add the item, or put it in the place of the one of its key. */
  put(item: Item): void {
    if (this.#shared) {
      this.#items = this.#items.slice();
      this.#shared = false;
    }
    if (this.get(item.key) === undefined) {
      this.#index.set(item.key, this.#items.length);
      this.#items.push(item);
    } else this.#items[this.#index.get(item.key) as number] = item;
  }

  /** The items as they are now; the same array until the next `put`. */
  view(): readonly Item[] {
    this.#shared = true;
    return this.#items;
  }

  fork(): Shelf<Item> {
    const copy = new Shelf<Item>();
    this.#shared = copy.#shared = true;
    copy.#items = this.#items;
    copy.#index = this.#index;
    return copy;
  }
}
