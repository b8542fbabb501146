import { Component, type ErrorInfo, type ReactNode } from "react";
import { Button } from "./button";
import { ProblemNote } from "./problem";

interface Props {
  /** What is missing from the page if it breaks: `The trace`. */
  readonly what: string;
  readonly children: ReactNode;
}

/** Keeps a fault in one part of the page to that part. */
export class ErrorBoundary extends Component<Props, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    console.error(error, info.componentStack);
  }

  override render(): ReactNode {
    if (this.state.error === undefined) return this.props.children;
    return (
      <ProblemNote error={this.state.error}>
        <p>{this.props.what} can't be shown. The rest of the page works on.</p>
        <Button size="sm" onClick={() => this.setState({ error: undefined })}>
          Try again
        </Button>
      </ProblemNote>
    );
  }
}
