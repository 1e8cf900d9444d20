/** A Deployment `crowd` of pods that do nothing and end at once, of which there are none at first. */
export function crowd(namespace: string): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: crowd, namespace: ${namespace} }
spec:
  replicas: 0
  selector: { matchLabels: { app: crowd } }
  template:
    metadata: { labels: { app: crowd } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - { name: toolbox, image: "nauti-lab/toolbox:1", imagePullPolicy: IfNotPresent, command: [sleep, infinity] }
`;
}
