/** The tree of a conversation, whatever is done to it and in whatever order. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageTree } from '../../../src/thread/tree';
import type { TreeNode } from '../../../src/thread/tree';

type Step =
  | { does: 'add'; at: number }
  | { does: 'remove'; at: number }
  | { does: 'rename'; at: number }
  | { does: 'flip'; at: number; step: number }
  | { does: 'show'; at: number };

const at = fc.nat(30);
const STEPS: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ does: fc.constant('add' as const), at }) },
    fc.record({ does: fc.constant('remove' as const), at }),
    fc.record({ does: fc.constant('rename' as const), at }),
    fc.record({ does: fc.constant('flip' as const), at, step: fc.constantFrom(-1, 1) }),
    fc.record({ does: fc.constant('show' as const), at }),
  ),
  { maxLength: 40 },
);

/** A tree, and beside it what must be in it: the parent of every message. */
class Watched {
  readonly tree = new MessageTree<TreeNode>();
  readonly parents = new Map<string, string>();
  private made = 0;

  run(step: Step): void {
    const ids = [...this.parents.keys()];
    const id = ids[step.at % (ids.length || 1)] ?? '';
    if (step.does === 'add') this.add(step.at % 3 === 0 ? '' : id);
    else if (step.does === 'rename') this.rename(id);
    else if (step.does === 'remove') this.remove(id);
    else if (step.does === 'flip') this.tree.flip(id, step.step);
    else this.tree.show(id);
  }

  readonly childrenOf = (parent: string) => [...this.parents].filter(([, each]) => each === parent).map(([id]) => id);

  private add(parent: string): void {
    this.made += 1;
    const id = `m${this.made}`;
    this.tree.add({ id, parent });
    this.parents.set(id, parent);
  }

  private remove(id: string): void {
    this.tree.remove(id);
    if (this.childrenOf(id).length === 0) this.parents.delete(id);
  }

  private rename(id: string): void {
    if (!this.parents.has(id)) return;
    const to = `${id}'`;
    this.tree.rename(id, to);
    const entries = [...this.parents].map(([each, parent]) => [each === id ? to : each, parent === id ? to : parent] as const);
    this.parents.clear();
    entries.forEach(([each, parent]) => this.parents.set(each, parent));
  }
}

function built(steps: readonly Step[]): Watched {
  const watched = new Watched();
  steps.forEach((step) => watched.run(step));
  return watched;
}

function ids(tree: MessageTree<TreeNode>): string[] {
  return tree.path().map(({ id }) => id);
}

/** q1 is answered twice; the second answer is followed by q2. */
function twice(): MessageTree<TreeNode> {
  const tree = new MessageTree<TreeNode>();
  const links = [['q1', ''], ['a1', 'q1'], ['a2', 'q1'], ['q2', 'a2']] as const;
  links.forEach(([id, parent]) => tree.add({ id, parent }));
  return tree;
}

describe('the path', () => {
  it('is a chain from the beginning to a message with nothing behind it', () => {
    fc.assert(
      fc.property(STEPS, (steps) => {
        const { tree, parents, childrenOf } = built(steps);
        let last = '';
        for (const { id, parent } of tree.path()) {
          expect(parent).toBe(last);
          expect(parents.get(id)).toBe(last);
          last = id;
        }
        expect(childrenOf(last)).toEqual([]);
        expect(tree.leaf()?.id ?? '').toBe(last);
      }),
    );
  });

  it('leads to any message that is asked for', () => {
    fc.assert(
      fc.property(STEPS, (steps) => {
        const { tree, parents } = built(steps);
        for (const id of parents.keys()) {
          tree.show(id);
          expect(ids(tree)).toContain(id);
        }
      }),
    );
  });

  it('goes to the newest branch', () => {
    expect(ids(twice())).toEqual(['q1', 'a2', 'q2']);
  });
});

describe('the tree', () => {
  it('holds every message under its name, and counts its branches', () => {
    fc.assert(
      fc.property(STEPS, (steps) => {
        const { tree, parents, childrenOf } = built(steps);
        expect(tree.size).toBe(parents.size);
        for (const [id, parent] of parents) {
          const siblings = childrenOf(parent);
          expect(tree.get(id)).toEqual({ id, parent });
          expect(tree.behind(parent).map((each) => each.id)).toEqual(siblings);
          expect(tree.branch(id)).toEqual({ index: siblings.indexOf(id), count: siblings.length });
        }
      }),
    );
  });

  it('shows the neighbour after a flip, and the same path after a flip back', () => {
    fc.assert(
      fc.property(STEPS, fc.nat(30), fc.constantFrom(-1, 1), (steps, place, step) => {
        const { tree } = built(steps);
        const path = ids(tree);
        const id = path[place % (path.length || 1)];
        if (id === undefined) return;
        const { index, count } = tree.branch(id);
        tree.flip(id, step);
        const wanted = Math.min(count - 1, Math.max(0, index + step));
        const shown = ids(tree)[path.indexOf(id)] ?? '';
        expect(tree.branch(shown).index).toBe(wanted);
        if (wanted !== index) tree.flip(shown, -step);
        expect(ids(tree)).toEqual(path);
      }),
    );
  });

  it('shows the same messages when one gets another name', () => {
    fc.assert(
      fc.property(STEPS, fc.nat(30), (steps, place) => {
        const { tree, parents } = built(steps);
        const from = [...parents.keys()][place % (parents.size || 1)];
        if (from === undefined) return;
        const before = ids(tree);
        tree.rename(from, 'new');
        expect(tree.get(from)).toBeUndefined();
        expect(ids(tree)).toEqual(before.map((id) => (id === from ? 'new' : id)));
      }),
    );
  });

  it('keeps a message that has something behind it', () => {
    const tree = twice();
    tree.remove('a2');
    expect(ids(tree)).toEqual(['q1', 'a2', 'q2']);
  });

  it('shows what is left when the shown branch is taken away', () => {
    const tree = twice();
    tree.remove('q2');
    tree.remove('a2');
    expect(ids(tree)).toEqual(['q1', 'a1']);
  });

  it('gives no message a name that another one has', () => {
    const tree = twice();
    tree.rename('a1', 'a2');
    expect(tree.size).toBe(4);
    expect(tree.get('a1')?.id).toBe('a1');
  });

  it('takes a message anew without another branch', () => {
    const tree = twice();
    tree.add({ id: 'a1', parent: 'q1' });
    expect(tree.branch('a1')).toEqual({ index: 0, count: 2 });
    expect(ids(tree)).toEqual(['q1', 'a2', 'q2']);
  });
});
