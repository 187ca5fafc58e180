/** A conversation as a tree: several messages behind the same one are branches, and one path through it is shown. Pure. */

/** What the tree knows of a message. */
export interface TreeNode {
  id: string;
  /** "" at the beginning. */
  parent: string;
}

/** Where a message stands among its branches: the `index`th of `count`, from 0. */
export interface Branch {
  index: number;
  count: number;
}

export class MessageTree<Node extends TreeNode> {
  private readonly nodes = new Map<string, Node>();
  private readonly children = new Map<string, string[]>();
  // The branch that is shown behind each message; without an entry the newest.
  private readonly chosen = new Map<string, string>();

  get size(): number {
    return this.nodes.size;
  }

  get(id: string): Node | undefined {
    return this.nodes.get(id);
  }

  /** The messages behind this one, or at the beginning (""); the oldest first. */
  behind(id: string): Node[] {
    return (this.children.get(id) ?? []).flatMap((each) => this.nodes.get(each) ?? []);
  }

  /** Adds a message, and shows it if its parent is shown. One that is there already is replaced. */
  add(node: Node): void {
    if (!this.nodes.has(node.id)) {
      const siblings = this.children.get(node.parent);
      if (siblings) siblings.push(node.id);
      else this.children.set(node.parent, [node.id]);
      this.chosen.set(node.parent, node.id);
    }
    this.nodes.set(node.id, node);
  }

  /** Takes away a message that has nothing behind it. */
  remove(id: string): void {
    const node = this.nodes.get(id);
    if (!node || this.children.get(id)?.length) return;
    this.nodes.delete(id);
    const siblings = (this.children.get(node.parent) ?? []).filter((each) => each !== id);
    this.children.set(node.parent, siblings);
    if (this.chosen.get(node.parent) === id) this.chosen.delete(node.parent);
  }

  /** Gives a message another id: the server's, once it is known. */
  rename(from: string, to: string): void {
    const node = this.nodes.get(from);
    if (!node || from === to || this.nodes.has(to)) return;
    node.id = to;
    this.nodes.delete(from);
    this.nodes.set(to, node);
    const siblings = this.children.get(node.parent) ?? [];
    this.children.set(node.parent, siblings.map((each) => (each === from ? to : each)));
    if (this.chosen.get(node.parent) === from) this.chosen.set(node.parent, to);
    const behind = this.children.get(from);
    if (behind) {
      this.children.delete(from);
      this.children.set(to, behind);
      behind.forEach((each) => {
        const child = this.nodes.get(each);
        if (child) child.parent = to;
      });
    }
    const choice = this.chosen.get(from);
    if (choice !== undefined) {
      this.chosen.delete(from);
      this.chosen.set(to, choice);
    }
  }

  /** The messages that are shown, the oldest first. */
  path(): Node[] {
    const path: Node[] = [];
    for (let next = this.shownBehind(''); next; next = this.shownBehind(next.id)) path.push(next);
    return path;
  }

  /** The last message that is shown. */
  leaf(): Node | undefined {
    const path = this.path();
    return path[path.length - 1];
  }

  branch(id: string): Branch {
    const siblings = this.siblings(id);
    return { index: siblings.indexOf(id), count: siblings.length };
  }

  /** Shows the branch that is `step` further on; stays at the ends. */
  flip(id: string, step: number): void {
    const siblings = this.siblings(id);
    const next = siblings[siblings.indexOf(id) + step];
    const node = this.nodes.get(id);
    if (next !== undefined && node) this.chosen.set(node.parent, next);
  }

  /** Shows the path that ends in this message. */
  show(id: string): void {
    for (let node = this.nodes.get(id); node; node = this.nodes.get(node.parent)) this.chosen.set(node.parent, node.id);
  }

  private siblings(id: string): string[] {
    const node = this.nodes.get(id);
    return node ? (this.children.get(node.parent) ?? []) : [];
  }

  private shownBehind(id: string): Node | undefined {
    const behind = this.children.get(id) ?? [];
    const choice = this.chosen.get(id) ?? behind[behind.length - 1];
    return choice === undefined ? undefined : this.nodes.get(choice);
  }
}
