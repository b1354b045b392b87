export function GraphCanvas({ tabId }: { tabId: string }) {
  return <div className="graph-canvas" data-tab-id={tabId} />;
}
