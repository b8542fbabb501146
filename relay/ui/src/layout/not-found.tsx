import { Compass } from "lucide-react";
import { Link } from "wouter";
import { EmptyState } from "../ui";
import { useTitle } from "../ui/title";

export function NotFound() {
  useTitle("Not found");
  return (
    <EmptyState icon={Compass} title="There is nothing at this address">
      <p>A run is at /runs/ and its id, a comparison at /compare/ and two ids.</p>
      <Link href="/" className="button button-primary button-md">
        All runs
      </Link>
    </EmptyState>
  );
}
