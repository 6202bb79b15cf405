/**
 * The rules of the warehouse, without any dice: what may follow an action. The planner loads this module on a thread of its own, and
 * calls both functions after each plan.
 */
export interface State {
  readonly robotX: number;
  readonly robotY: number;
  readonly forkliftX: number;
  readonly forkliftY: number;
  readonly carrying: boolean;
}

/** The floor has this many cells a side. Parcels are picked up at [0, 0] and put down in the opposite corner. */
export const SIDE = 6;

const STEPS: Readonly<Record<string, readonly [x: number, y: number]>> = {
  north: [0, -1],
  south: [0, 1],
  east: [1, 0],
  west: [-1, 0],
  wait: [0, 0],
};

/** The states that may follow: the robot does what was decided, and the forklift goes one step in any direction. */
export function next(state: State, action: string): State[] {
  const moved = afterAction(state, action);
  return ['north', 'south', 'east', 'west'].flatMap((way) => {
    const [x, y] = cellFrom(moved.forkliftX, moved.forkliftY, way);
    return isOnFloor(x, y) && !isRobotAt(moved, x, y) ? [{ ...moved, forkliftX: x, forkliftY: y }] : [];
  });
}

/** The actions that are possible in a state. The robot never drives into the forklift, nor off the floor. */
export function nextActions(state: State): string[] {
  return Object.keys(STEPS).filter((way) => {
    const [x, y] = cellFrom(state.robotX, state.robotY, way);
    return isOnFloor(x, y) && !(x === state.forkliftX && y === state.forkliftY);
  });
}

function afterAction(state: State, action: string): State {
  const [robotX, robotY] = cellFrom(state.robotX, state.robotY, action);
  return { ...state, robotX, robotY, carrying: carryingAt(robotX, robotY) ?? state.carrying };
}

function carryingAt(x: number, y: number): boolean | undefined {
  if (x === 0 && y === 0) return true;
  return x === SIDE - 1 && y === SIDE - 1 ? false : undefined;
}

function cellFrom(x: number, y: number, way: string): readonly [x: number, y: number] {
  const [byX, byY] = STEPS[way] ?? [0, 0];
  return [x + byX, y + byY];
}

function isOnFloor(x: number, y: number): boolean {
  return x >= 0 && y >= 0 && x < SIDE && y < SIDE;
}

function isRobotAt({ robotX, robotY }: State, x: number, y: number): boolean {
  return robotX === x && robotY === y;
}
